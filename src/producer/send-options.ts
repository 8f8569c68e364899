import { expectOptions, expectSignal, shown } from '../common/options.js'
import { expectEndOffset, expectKeysAt, expectLastOffset, type SendConditions } from './conditional/conditions.js'

export interface SendOptions<K = unknown> extends SendConditions<K> {
  /**
   * Ends the wait for room in the buffer, or for the topic to be found: the call rejects with the
   * signal's reason. A record that has been handed over is on its way and cannot be called back;
   * from then on the signal changes nothing.
   */
  readonly signal?: AbortSignal
}

/** Throws a `TypeError` unless these are the options of a send. */
export function expectSendOptions(options: SendOptions): void {
  expectOptions('send', options, known)
}

/** Throws a `TypeError` unless these are records, in an array or another iterable. */
export function expectRecords(records: Iterable<unknown>): void {
  if (typeof records === 'object' && typeof records?.[Symbol.iterator] === 'function') return
  throw new TypeError(`Expected \`records\` to be an array or another iterable, got ${shown(records)}`)
}

const known = { signal: expectSignal, ifKeyAt: expectLastOffset, ifKeysAt: expectKeysAt, ifEndAt: expectEndOffset }
