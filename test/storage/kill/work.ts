import type { Sent } from '../../simulation/model.js'

/*
 * What the child does and the parent checks. A record follows from its id alone, so that the parent knows all that can have been sent without being told.
 */

export interface WorkTopic {
  readonly name: string
  readonly partitions: number
  readonly configs: Record<string, string>
}

export const topics: readonly WorkTopic[] = [
  { name: 'events', partitions: 3, configs: { 'segment.bytes': '20000', 'index.interval.bytes': '1000', 'retention.ms': '-1' } },
  { name: 'state', partitions: 2, configs: { 'segment.bytes': '8000', 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.1' } },
  { name: 'window', partitions: 1, configs: { 'segment.bytes': '5000', 'retention.bytes': '30000' } }
]

export const groups = ['analytics', 'billing']
export const producerCount = 4
/** Ids of one life: more than it can send. */
export const idsPerLife = 10_000_000

/** The record with this id. Every producer's ids ascend. */
export function recordOf(id: number): Sent {
  const mixed = (Math.imul(id, 0x9e3779b1) ^ (id >>> 7)) >>> 0
  const topic = topics[mixed % 8 < 5 ? 0 : mixed % 8 < 7 ? 1 : 2]
  const partition = (mixed >>> 4) % topic.partitions
  const value = topic.name === 'state' && mixed % 11 === 0 ? null : `${id}:${'value '.repeat((mixed >>> 8) % 40)}`
  const producer = Math.floor(id / idsPerLife) * producerCount + (id % producerCount)
  return { id, topic: topic.name, partition, producer, key: `k${(mixed >>> 12) % 30}`, value }
}

/** What the child tells on its output, a line each. */
export type Line =
  | readonly ['opening' | 'ready']
  | readonly ['topic', name: string, id: string]
  | readonly ['sent', id: number, offset: number]
  | readonly ['committed', group: string, topic: string, partition: number, offset: number]
