import { zeroUuid } from '../common/uuid.js'
import { KafkaError } from '../errors.js'
import { ownApis } from '../protocol/apis.js'
import type { Api, VersionRange } from '../protocol/message.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { OffsetCommit } from '../protocol/messages/offset-commit.js'
import { OffsetFetch } from '../protocol/messages/offset-fetch.js'
import { Produce } from '../protocol/messages/produce.js'

/**
 * The last versions in which topics go by name. Later ones know only topic ids, and serve requests
 * that give the id of every topic.
 */
const lastWithNames = new Map<Api, number>([
  [Produce, 12],
  [Fetch, 12],
  [OffsetCommit, 9],
  [OffsetFetch, 9]
])

/**
 * The highest version that both sides know and that can say what is asked. Throws
 * UNSUPPORTED_VERSION, naming the API, when there is none.
 */
export function commonVersion(api: Api, broker: VersionRange | undefined, body: object = {}): number {
  const highest = givesAllIds(body) ? undefined : lastWithNames.get(api)
  const version = Math.min(api.versions.max, broker?.max ?? -1, highest ?? api.versions.max)
  if (broker && version >= Math.max(api.versions.min, broker.min)) return version
  const served = broker ? `serves ${api.name} in versions ${broker.min} to ${broker.max}` : `does not serve ${api.name}`
  if (!broker && ownApis.includes(api))
    throw new KafkaError('UNSUPPORTED_VERSION', `The broker does not serve ${api.name}, which only clusters of millrace do`)
  throw new KafkaError(
    'UNSUPPORTED_VERSION',
    `The broker ${served}; this client speaks versions ${api.versions.min} to ${lastWithNames.get(api) ?? api.versions.max}`
  )
}

interface NamingTopics {
  readonly topics?: readonly { readonly topicId?: string }[] | null
  readonly groups?: readonly { readonly topics: readonly { readonly topicId?: string }[] | null }[]
}

function givesAllIds({ topics, groups }: NamingTopics): boolean {
  const all = groups ? groups.flatMap(group => group.topics ?? [{ topicId: undefined }]) : (topics ?? [])
  return all.length > 0 && all.every(({ topicId = zeroUuid }) => topicId !== zeroUuid)
}
