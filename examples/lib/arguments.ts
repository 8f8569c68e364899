import { parseArgs } from 'node:util'
import { flights, type Input, ndjson } from './input.js'
import type { Progress } from './progress.js'

const usage = `Usage: npm start -- [FILE.ndjson] [--key FIELD] [--topic NAME] [--dir DIR | --brokers HOST:PORT,…]

Without a file: 20,000 flights. With one: its lines, each a JSON object, keyed by FIELD (default: the first field of the first line).
Everything is kept in memory, or in DIR, or by the Kafka at HOST:PORT.`

/** The work to do, and its place. */
export interface Job {
  readonly input: Input
  readonly topicName: string
  readonly dir?: string
  readonly brokers?: readonly string[]
}

/** Reads the command line. Throws with a message for the person who typed it. */
export async function readArguments(args: string[], progress: Progress): Promise<Job> {
  const { values, positionals } = parse(args)
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  if (positionals.length > 1) throw new Error(`One file at a time, please.\n\n${usage}`)
  const { key, topic, dir, brokers } = values
  if (dir !== undefined && brokers !== undefined) throw new Error(`Either --dir or --brokers, please.\n\n${usage}`)
  const [path] = positionals
  const input = path === undefined ? await flights(key) : await ndjson(path, key, refusal(path, progress))
  return { input, topicName: topic ?? input.topic, dir, brokers: brokers?.split(',') }
}

function parse(args: string[]) {
  try {
    const text = { type: 'string' } as const
    const options = { key: text, topic: text, dir: text, brokers: text, help: { type: 'boolean', short: 'h' } } as const
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\n${usage}`)
  }
}

/** Says which lines are left out and why: the first ten by name, the rest as a number. */
function refusal(path: string, progress: Progress) {
  let count = 0
  process.once('beforeExit', () => {
    if (count > 10) console.error(`${path}: ${count} lines were left out`)
  })
  return (line: number, why: string) => {
    count++
    if (count <= 10) progress.note(`${path}:${line}: ${why}; left out`)
    if (count === 10) progress.note(`${path}: further lines that are left out are only counted`)
  }
}
