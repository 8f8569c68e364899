import { keyPartition } from '../client/key-partition.js'
import { textBytes } from '../common/bytes.js'
import { grouped } from '../common/grouped.js'
import { shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import { ListKeyOffsets } from '../protocol/messages/list-key-offsets.js'
import type { AnyTopic } from '../record/topic.js'
import { type AdminContext, unknownPartition } from './admin-context.js'
import type { AdminCallOptions } from './admin-options.js'

export interface LastOffsetsOptions extends AdminCallOptions {
  /** The partition of the keys. Default: the one that Kafka's default partitioner gives each. */
  readonly partition?: number
}

/** The offset of the last record of a key. */
export interface KeyOffset<K = unknown> {
  readonly key: K
  readonly partition: number
  /** `'none'` where the key has no record. */
  readonly lastOffset: number | 'none'
}

interface EncodedKey {
  readonly index: number
  readonly bytes: Uint8Array
}

export async function lastOffsets<K>(
  context: AdminContext,
  topic: AnyTopic | string,
  keys: readonly K[],
  options: LastOffsetsOptions
): Promise<KeyOffset<K>[]> {
  const name = typeof topic === 'string' ? topic : topic.name
  const encoded = keys.map((key, index) => ({ index, bytes: encodedKey(topic, key) }))
  return context.call(options, async limits => {
    await context.metadata.ensure([name], { ...limits, allowAutoTopicCreation: false })
    const partitionCount = context.metadata.topic(name)?.partitions.length ?? 0
    const byPartition = grouped(encoded, ({ bytes }) => options.partition ?? keyPartition(bytes, partitionCount))
    for (const partition of byPartition.keys()) if (partition >= partitionCount) throw unknownPartition(name, partition)
    const found = new Array<KeyOffset<K>>(keys.length)
    for (const [partition, wanted] of byPartition) {
      const offsets = await ask(context, name, partition, wanted, limits.signal)
      wanted.forEach(({ index }, i) => {
        found[index] = { key: keys[index], partition, lastOffset: offsets[i] < 0 ? 'none' : offsets[i] }
      })
    }
    return found
  })
}

async function ask(
  context: AdminContext,
  topic: string,
  partition: number,
  keys: readonly EncodedKey[],
  signal: AbortSignal | undefined
): Promise<readonly number[]> {
  const request = { topics: [{ name: topic, partitions: [{ partitionIndex: partition, keys: keys.map(({ bytes }) => bytes) }] }] }
  const { topics } = await context.leaderOf(topic, partition).request(ListKeyOffsets, request, signal)
  const answer = topics[0]?.partitions[0]
  if (answer?.errorCode === 0 && answer.lastOffsets.length === keys.length) return answer.lastOffsets
  context.metadata.forget(topic)
  throw KafkaError.fromNumber(answer?.errorCode || -1, answer?.errorMessage, { topic, partition })
}

function encodedKey(topic: AnyTopic | string, key: unknown): Uint8Array {
  const field = typeof topic === 'string' ? key : topic.key.serialize(key)
  if (typeof field === 'string') return textBytes(field)
  if (field instanceof Uint8Array) return field
  throw new TypeError(`Expected \`keys\` to hold strings, Uint8Arrays or what the topic takes as a key, got ${shown(key)}`)
}
