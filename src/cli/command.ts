import { type ParseArgsConfig, parseArgs } from 'node:util'
import type { Output } from './output.js'

/** One word after `millrace`, and what it does. */
export interface Command {
  readonly name: string
  /** The arguments that follow the name on the command line. */
  readonly usage: readonly string[]
  /** One line for the list of commands. */
  readonly summary: string
  /** Further help, as `--help` prints it. */
  readonly details?: string
  readonly options: Readonly<Record<string, Option>>
  /**
   * Resolves with the exit code: 0 for fine, 1 when there is something wrong with what was looked
   * at.
   */
  run(invocation: Invocation): Promise<number>
}

export interface Option {
  /** The placeholder for the value in the help; a flag has none. */
  readonly value?: string
  readonly short?: string
  readonly multiple?: boolean
  readonly help: string
}

/** A mistake on the command line. Its message is all that the user gets to see. */
export class UsageError extends Error {}

/** The options and arguments of one call of a command. */
export class Invocation {
  readonly #args: readonly string[]
  readonly #options: Readonly<Record<string, unknown>>
  readonly output: Output
  /** Tells what is not the result: progress, complaints. */
  readonly tell: (line: string) => void
  /** Aborted when the user wants it to end. */
  readonly signal: AbortSignal

  constructor(
    command: Command,
    words: readonly string[],
    { output, tell, signal }: { readonly output: Output; readonly tell: (line: string) => void; readonly signal: AbortSignal }
  ) {
    const { values, positionals } = parsed(command, words)
    this.#args = positionals
    this.#options = values
    this.output = output
    this.tell = tell
    this.signal = signal
  }

  /** The words that are no options: as many as have names here. */
  args(...names: string[]): string[] {
    if (this.#args.length < names.length) throw new UsageError(`${names[this.#args.length]} is missing`)
    if (this.#args.length > names.length) throw new UsageError(`'${this.#args[names.length]}' is one word too many`)
    return [...this.#args]
  }

  flag(name: string): boolean {
    return this.#options[name] === true
  }

  text(name: string): string | undefined {
    return this.#options[name] as string | undefined
  }

  list(name: string): readonly string[] {
    return (this.#options[name] as string[] | undefined) ?? []
  }

  integer(name: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const given = this.text(name)
    return given === undefined ? undefined : integerIn(`--${name}`, given, min, max)
  }
}

export function integerIn(what: string, text: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const number = Number(text)
  if (/^-?\d+$/.test(text) && number >= min && number <= max) return number
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  throw new UsageError(`${what} takes a whole number ${range}, not '${text}'`)
}

function parsed(command: Command, words: readonly string[]) {
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, { value, short, multiple = false }] of Object.entries(command.options)) {
    options[name] = { type: value ? 'string' : 'boolean', multiple, ...(short && { short }) }
  }
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0])
  }
}

export function helpOf(command: Command): string {
  const uses = command.usage.map((usage, i) => `${i === 0 ? 'Usage:' : '      '} millrace ${command.name} ${usage}`.trimEnd())
  const rows = [...Object.entries(command.options), ['help', { short: 'h', help: 'Show this' }] as const].map(([name, option]) => {
    const { short, value, help } = option as Option
    return [`  ${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`, help] as const
  })
  const width = Math.max(...rows.map(([left]) => left.length)) + 3
  const options = rows.map(([left, help]) => left.padEnd(width) + help.replaceAll('\n', `\n${' '.repeat(width)}`))
  const parts = [uses.join('\n'), `${command.summary}.`, command.details, `Options:\n${options.join('\n')}`]
  return parts.filter(part => part !== undefined).join('\n\n')
}
