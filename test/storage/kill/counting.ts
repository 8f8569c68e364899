import { json, string } from '../../../src/record/serde.js'
import { topic } from '../../../src/record/topic.js'

/** Counters: the records of a key count 1, 2, 3, … */
export const counters = topic('counters', {
  key: string,
  value: json<{ readonly count: number; readonly filler: string }>(),
  partitions: 2,
  keyIndex: true,
  keep: 'forever',
  configs: { 'segment.bytes': 40_000 }
})

export const keyNames = Array.from({ length: 12 }, (_, i) => `counter-${i}`)
