/**
 * The partition of an internal topic that keeps a group or a transactional id: Java's hash of the
 * id, without its sign, modulo the partitions.
 */
export function partitionOfKey(key: string, partitionCount: number): number {
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0
  // Java's abs has no answer for the smallest integer; Kafka takes 0.
  return hash === -(2 ** 31) ? 0 : Math.abs(hash) % partitionCount
}
