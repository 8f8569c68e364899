import { murmur2, murmur2Text } from '../common/murmur2.js'

/**
 * The partition that Kafka's producers give to a key: murmur2 of its bytes, made positive by
 * masking the sign bit, modulo the number of partitions. A string stands for its UTF-8 bytes.
 */
export function keyPartition(key: Uint8Array | string, partitionCount: number): number {
  if (partitionCount === 1) return 0
  return ((typeof key === 'string' ? murmur2Text(key) : murmur2(key)) & 0x7fffffff) % partitionCount
}
