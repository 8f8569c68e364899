import { expectClock } from '../common/clock.js'
import {
  expectBoolean,
  expectBytes,
  expectFunction,
  expectFunctions,
  expectInteger,
  expectKnownKeys,
  expectList,
  expectOneOf,
  expectOptions,
  expectOptionsObject,
  expectSignal,
  expectString,
  shown
} from '../common/options.js'
import type { Storage } from '../storage/storage.js'
import { type AppendOrigin, appendOrigins } from './append/batch-validation.js'
import type { CompactOptions } from './compaction/compactor.js'
import type { AppendCondition, AppendOptions, LogOpenOptions, ReadOptions } from './log-types.js'

/*
 * The checks of what users hand to a log. Appends and reads are many, so their checks make nothing.
 */

const largestEpoch = 2 ** 31 - 1

/** Any whole number will do: one outside of the log is told as such. */
export function expectOffset(name: string, value: unknown): void {
  if (typeof value === 'number' && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY)) return
  throw new TypeError(`Expected \`${name}\` to be an offset, an integer, got ${shown(value)}`)
}

export function expectStorage(storage: Storage): void {
  expectFunctions('storage', storage, ['open', 'list', 'remove', 'rename', 'syncFolder', 'close'], 'a storage, memoryStorage() for one')
}

export function expectLogPlace(storage: Storage, folder: string): void {
  expectStorage(storage)
  expectString('folder', folder)
}

/** Checks what is not checked as an option of the log, or as an offset of it. */
export function expectOpenOptions(options: LogOpenOptions): void {
  expectOptionsObject('a log', options)
  if (options.clock !== undefined) expectClock(options.clock)
  for (const name of ['autoHighWatermark', 'isClean'] as const) if (options[name] !== undefined) expectBoolean(name, options[name])
  for (const name of callbacks) if (options[name] !== undefined) expectFunction(name, options[name])
}

const callbacks = ['onRoll', 'saveRecoveryPoint', 'onFailure', 'onRoom', 'onDamage', 'onSegmentsRemoved', 'keepFrom'] as const

export function expectAppendOptions(options: AppendOptions): void {
  if (options?.constructor !== Object) expectKnownKeys('append', options, appendNames)
  for (const name in options) {
    const value = options[name as keyof AppendOptions]
    if (name !== 'leaderEpoch' && name !== 'origin' && name !== 'condition') expectKnownKeys('append', options, appendNames)
    if (value === undefined) continue
    if (name === 'leaderEpoch') expectInteger(name, value, -1, largestEpoch)
    else if (name === 'condition') expectCondition(value as AppendCondition)
    else expectOneOf(name, value as AppendOrigin, appendOrigins)
  }
}

const appendNames = ['leaderEpoch', 'origin', 'condition']

function expectCondition(condition: AppendCondition): void {
  expectOptions('a condition', condition, {
    endOffset: (name, value) => expectInteger(name, value, 0),
    keys: (name, value) => expectList(name, value, '{ key, lastOffset }')
  })
  for (const each of condition.keys ?? []) {
    if (typeof each !== 'object' || each === null)
      throw new TypeError(`Expected \`keys\` to hold conditions, each { key, lastOffset }, got ${shown(each)}`)
    const { key, lastOffset } = each
    expectBytes('key', key)
    if (lastOffset !== 'none') expectInteger('lastOffset', lastOffset, 0)
  }
}

export function expectReadOptions(options: ReadOptions): void {
  if (options?.constructor !== Object) expectKnownKeys('read', options, readNames)
  for (const name in options) {
    const value = options[name as keyof ReadOptions]
    if (name !== 'upTo' && name !== 'minOneBatch' && name !== 'checkCrcs') expectKnownKeys('read', options, readNames)
    if (value === undefined) continue
    if (name === 'upTo') expectOffset(name, value)
    else expectBoolean(name, value)
  }
}

const readNames = ['upTo', 'minOneBatch', 'checkCrcs']

export function expectCompactOptions(options: CompactOptions): void {
  expectOptions('compact', options, {
    force: expectBoolean,
    maxKeyBytes: (name, value) => expectInteger(name, value, 1),
    signal: expectSignal
  })
}
