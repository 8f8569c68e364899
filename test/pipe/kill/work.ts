/*
 * Record `offset` of partition `p` has the number `offset * partitions + p`, and comes out in the same
 * partition.
 */

export const partitions = 4
export const groupId = 'mover'
/** Small segments, so that they roll, and are recovered, while records are moved. */
export const configs: Readonly<Record<string, string>> = { 'segment.bytes': '4000000' }
export const brokerConfigs: Readonly<Record<string, number>> = {
  'num.partitions': partitions,
  'offsets.topic.num.partitions': 2,
  'transaction.state.log.num.partitions': 2
}
