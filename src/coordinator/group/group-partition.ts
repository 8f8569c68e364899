/** The partition of `__consumer_offsets` that keeps a group: Java's hash of the id, without its sign, modulo the partitions. */
export function partitionOfGroup(groupId: string, partitionCount: number): number {
  let hash = 0
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(hash, 31) + groupId.charCodeAt(i)) | 0
  // Java's abs has no answer for the smallest integer; Kafka takes 0.
  return hash === -(2 ** 31) ? 0 : Math.abs(hash) % partitionCount
}
