import { KafkaError } from '../errors.js'

/** A place in a file that cannot be right. */
export interface Fault {
  readonly file: string
  /** In bytes. */
  readonly position?: number
  /** From 1. */
  readonly line?: number
  readonly reason: string
}

/** CORRUPT_MESSAGE, with the place in its message and in its fields. */
export function damageError({ file, position, line, reason }: Fault): KafkaError {
  const place = position !== undefined ? ` at position ${position}` : line !== undefined ? ` in line ${line}` : ''
  return new KafkaError('CORRUPT_MESSAGE', `\`${file}\` is damaged${place}: ${reason}`, { file, position, line })
}

/** Many damaged lines of one file are told as one: the first, and the numbers of some others. */
export function damagedLines(file: string, faults: readonly LineFault[]): KafkaError {
  const [{ line, reason }, ...others] = faults
  const numbers = others.slice(0, mostLines).map(other => other.line)
  const more = others.length === 0 ? '' : ` (and lines ${numbers.join(', ')}${others.length > mostLines ? ', …' : ''})`
  return damageError({ file, line, reason: reason + more })
}

const mostLines = 20

/** A line of a text file that says nothing that can be used. */
export interface LineFault {
  /** From 1. */
  readonly line: number
  readonly reason: string
}
