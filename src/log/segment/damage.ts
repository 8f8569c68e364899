import { harmless } from '../../common/foreign.js'
import { KafkaError } from '../../errors.js'

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

/** The damage found in a log; each place is told once. */
export class DamageReports {
  readonly #onDamage: ((damage: KafkaError) => void) | undefined
  readonly #told = new Set<string>()

  constructor(onDamage: ((damage: KafkaError) => void) | undefined) {
    this.#onDamage = onDamage && harmless('onDamage', onDamage)
  }

  /** Tells of damage, where the error is about that, and passes it on. */
  tell<E>(error: E): E {
    if (error instanceof KafkaError && error.code === 'CORRUPT_MESSAGE' && this.isNew(error)) this.#onDamage?.(error)
    return error
  }

  /** True if nobody was told of this place; from now on it counts as told. */
  isNew({ file, position, line }: KafkaError): boolean {
    const place = `${file} ${position ?? line}`
    if (file === undefined || this.#told.has(place) || this.#told.size >= mostPlaces) return false
    this.#told.add(place)
    return true
  }
}

/** A log with more damaged places than this has been told of often enough. */
const mostPlaces = 1000
