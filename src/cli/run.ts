import type { Writable } from 'node:stream'
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
Exit codes: 0 all is well, 1 something is wrong with what was looked at or could not be done, 2 wrong usage,
130 and 143 interrupted by SIGINT and SIGTERM before the work was done.`

export interface Terminal {
  readonly stdout: Writable
  readonly stderr: Writable
  /** Aborted when the user wants it to end; the reason is the name of the process signal. */
  readonly signal: AbortSignal
}

/**
 * Does what the words after `millrace` say; resolves with the exit code. Rejects only for what is
 * no mistake of the user's.
 */
export async function run([name, ...words]: readonly string[], { stdout, stderr, signal }: Terminal): Promise<number> {
  const output = new Output(stdout, signal)
  const tell = (line: string) => void stderr.write(`${line}\n`)
  const say = async (text: string) => {
    await output.line(text)
    await output.flush()
    return 0
  }
  const complain = (text: string) => {
    tell(text)
    return 2
  }
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
    const code = await command.run(new Invocation(command, words, { output, tell, signal }))
    await output.flush()
    return code
  } catch (error) {
    if (isMistake(error)) return complain(`millrace ${name}: ${(error as Error).message}\nSee \`millrace ${name} --help\`.`)
    if (signal.aborted) return interrupted(signal)
    if (!isFailure(error)) throw error
    tell(`millrace ${name}: ${(error as Error).message}`)
    return 1
  } finally {
    await output.flush()
  }
}

/** The exit code that a shell gives to a process that a signal ended. */
function interrupted({ reason }: AbortSignal): number {
  return reason === 'SIGTERM' ? 143 : 130
}

/**
 * The library's own checks of what it is given begin with one of two words; other TypeErrors are
 * ours.
 */
function isMistake(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof TypeError && /^(Expected|Unknown) /.test(error.message))
}

/** Expected failures: KafkaErrors, and errors of the operating system. */
function isFailure(error: unknown): boolean {
  return error instanceof KafkaError || typeof (error as NodeJS.ErrnoException).errno === 'number'
}
