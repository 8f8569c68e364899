#!/usr/bin/env node
import { KafkaError } from '../errors.js'
import { type Command, helpOf, Invocation, UsageError } from './command.js'
import { consume } from './commands/consume.js'
import { dump } from './commands/dump.js'
import { groups } from './commands/groups.js'
import { produce } from './commands/produce.js'
import { serve } from './commands/serve.js'
import { tail } from './commands/tail.js'
import { topics } from './commands/topics.js'
import { verify } from './commands/verify.js'
import { Output } from './output.js'
import { version } from './version.js'

const commands: readonly Command[] = [verify, dump, topics, groups, tail, serve, produce, consume]

const overview = `millrace: Kafka in a directory, or in a process

Usage: millrace COMMAND …

${commands.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`).join('\n')}

\`millrace COMMAND --help\` tells more, \`millrace --version\` which version this is.
Exit codes: 0 all is well, 1 something is wrong with what was looked at or could not be done, 2 wrong usage.`

const output = new Output(process.stdout)
const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort())
// Whoever reads our output may have seen enough.
process.stdout.on('error', error => process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1))

process.exitCode = await main(process.argv.slice(2))

async function main([name, ...words]: string[]): Promise<number> {
  if (name === undefined) return complain(overview)
  if (name === '--version') return say(version())
  if (name === '--help' || name === '-h' || name === 'help') {
    const about = commands.find(command => command.name === words[0])
    return say(about ? helpOf(about) : overview)
  }
  const command = commands.find(each => each.name === name)
  if (!command) return complain(`millrace: there is no command '${name}'; \`millrace --help\` lists them`)
  if (words.includes('--help') || words.includes('-h')) return say(helpOf(command))
  try {
    const code = await command.run(new Invocation(command, words, { output, tell, signal: ending.signal }))
    await output.flush()
    return code
  } catch (error) {
    await output.flush()
    return explain(command, error)
  }
}

function explain(command: Command, error: unknown): number {
  if (error instanceof UsageError || error instanceof TypeError) {
    if (error instanceof TypeError && !error.message.startsWith('Expected')) throw error
    return complain(`millrace ${command.name}: ${error.message}\nSee \`millrace ${command.name} --help\`.`)
  }
  const { code, message } = error as NodeJS.ErrnoException
  if (!(error instanceof KafkaError) && code === undefined) throw error
  tell(`millrace ${command.name}: ${message}`)
  return 1
}

async function say(text: string): Promise<number> {
  await output.line(text)
  await output.flush()
  return 0
}

function complain(text: string): number {
  tell(text)
  return 2
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
