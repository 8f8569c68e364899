import { KafkaError } from '../../errors.js'
import type { Codec } from './codec.js'

/** The input is not what the codec's format asks for. */
export function damaged(type: Codec['type'], reason: string, cause?: unknown): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `The ${type} data of a batch is damaged: ${reason}`, { cause })
}

/** The output would exceed its limit; trying again cannot help. */
export function tooLarge(type: Codec['type'], maxBytes: number): KafkaError {
  return new KafkaError('INVALID_RECORD', `The ${type} data of a batch decompresses to more than ${maxBytes} bytes`)
}
