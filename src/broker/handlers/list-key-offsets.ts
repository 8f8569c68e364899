import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ListKeyOffsets } from '../../protocol/messages/list-key-offsets.js'
import type { TopicNode } from '../node.js'

type Request = RequestOf<typeof ListKeyOffsets>
type Response = ResponseOf<typeof ListKeyOffsets>
type Wanted = Request['topics'][number]['partitions'][number]
type PartitionResponse = Response['topics'][number]['partitions'][number]

/** Looks up the last offsets of keys. */
export async function listKeyOffsets(node: TopicNode, request: Request): Promise<Response> {
  const topics: Response['topics'] = []
  for (const { name, partitions } of request.topics) {
    const answered: PartitionResponse[] = []
    for (const wanted of partitions) answered.push(await lookUp(node, name, wanted))
    topics.push({ name, partitions: answered })
  }
  return { topics }
}

async function lookUp(node: TopicNode, name: string, { partitionIndex, keys }: Wanted): Promise<PartitionResponse> {
  const partition = node.findTopic(name, zeroUuid)?.partitions[partitionIndex]
  if (!partition) return { partitionIndex, errorCode: errorNumber('UNKNOWN_TOPIC_OR_PARTITION'), lastOffsets: [] }
  try {
    const found = await partition.log.lastOffsets(keys)
    const lastOffsets = found.map(lastOffset => (lastOffset === 'none' ? -1 : lastOffset))
    return { partitionIndex, errorCode: 0, endOffset: partition.logEndOffset, lastOffsets }
  } catch (error) {
    const errorCode = node.errorNumberFor(error, `a look-up of keys in ${name}-${partitionIndex}`)
    return { partitionIndex, errorCode, errorMessage: error instanceof Error ? error.message : null, lastOffsets: [] }
  }
}
