import { zeroUuid } from '../../../../src/common/uuid.js'
import type { Api, RequestOf, ResponseOf } from '../../../../src/protocol/message.js'
import { ApiVersions } from '../../../../src/protocol/messages/api-versions.js'
import { FindCoordinator } from '../../../../src/protocol/messages/find-coordinator.js'
import { JoinGroup } from '../../../../src/protocol/messages/join-group.js'
import { LeaveGroup } from '../../../../src/protocol/messages/leave-group.js'
import { ListOffsets } from '../../../../src/protocol/messages/list-offsets.js'
import { Metadata } from '../../../../src/protocol/messages/metadata.js'
import { Produce } from '../../../../src/protocol/messages/produce.js'
import { SyncGroup } from '../../../../src/protocol/messages/sync-group.js'
import { RawClient, responseIn } from '../../../wire/raw-client.js'
import { frameOf } from './frames.js'
import type { Question } from './questions.js'

/** What became of a question: a response, the end of the connection, or nothing. */
export type Answer = object | 'closed' | 'silent'

const patienceMs = 5000
const unknownId = 'AAAAAAAAAAAAAAAAAAAABQ'

/** One of the two brokers, and what the words of the questions stand for there. */
export class Side implements Disposable {
  readonly #port: number
  readonly #topicIds = new Map<string, string>()
  readonly #members = new Map<string, { memberId: string; generationId: number }>()
  #session = 0
  #client: RawClient | undefined

  constructor(address: string) {
    this.#port = Number(address.split(':')[1])
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]()
  }

  async ask(question: Question): Promise<Answer> {
    const { api, version, body, clientId, fault } = question
    const frame = frameOf(api, version, body, clientId, value => this.#resolved(value), fault)
    const answer = await this.#send(api, version, frame, isSilent(question))
    if (typeof answer === 'object') await this.#learn(question, answer)
    return answer
  }

  /** A request that must be answered. */
  async request<A extends Api>(api: A, version: number, body: RequestOf<A>): Promise<ResponseOf<A>> {
    const frame = frameOf(api, version, body, 'raw', value => this.#resolved(value))
    const answer = await this.#send(api, version, frame, false)
    if (typeof answer === 'string') throw new Error(`${api.name} v${version} was ${answer}: ${JSON.stringify(body)}`)
    return answer as ResponseOf<A>
  }

  async #send(api: Api, version: number, frame: Uint8Array, expectsSilence: boolean): Promise<Answer> {
    this.#client ??= await RawClient.connect(this.#port)
    const client = this.#client
    client.send(frame)
    // A request that is not answered shows by the answer of the next one.
    if (expectsSilence) client.request(ApiVersions, 0, {})
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      client[Symbol.dispose]()
    }, patienceMs)
    const received = await client.frame()
    clearTimeout(timer)
    if (received && expectsSilence) return 'silent'
    if (received) return responseIn(received, api, answeredVersion(api, version)).body
    this.#client = undefined
    return isLate ? 'silent' : 'closed'
  }

  /** Ends the connection, as clients do that come back later. */
  reconnect(): void {
    this.#client?.[Symbol.dispose]()
    this.#client = undefined
  }

  #resolved(value: unknown): unknown {
    if (value === 'session') return this.#session
    if (typeof value !== 'string') return value
    const [kind, name] = value.split(':')
    if (kind === 'id') return name === 'none' ? zeroUuid : (this.#topicIds.get(name) ?? unknownId)
    const member = this.#members.get(name)
    if (kind === 'member') return member?.memberId ?? 'm'
    return kind === 'generation' ? (member?.generationId ?? -1) : value
  }

  /** The word for an id that only this side has, for the comparison. */
  nameOf(value: string): string {
    for (const [name, id] of this.#topicIds) if (id === value) return `id:${name}`
    for (const [group, { memberId }] of this.#members) if (memberId === value) return `member:${group}`
    return value
  }

  async #learn({ api, body }: Question, answer: object): Promise<void> {
    const { sessionId = 0, topics = [] } = answer as {
      sessionId?: number
      topics?: { name: string; topicId?: string; errorCode?: number }[]
    }
    if (sessionId) this.#session = sessionId
    if (api.name === 'CreateTopics' && !body.validateOnly)
      for (const { name, topicId = zeroUuid } of topics) if (topicId !== zeroUuid) this.#topicIds.set(name, topicId)
    if (api.name === 'JoinGroup') await this.#finishJoin(body.groupId as string, answer as ResponseOf<typeof JoinGroup>)
  }

  /** A member that has joined gets its assignment, or leaves where the group has none otherwise: nobody has to wait for it. */
  async #finishJoin(groupId: string, { errorCode, memberId, generationId = -1 }: ResponseOf<typeof JoinGroup>): Promise<void> {
    // A member that has only got its id holds up the others until its time is over.
    if (errorCode !== 0 && errorCode !== memberIdRequired) return
    const stays = groupId === 'live' || groupId === 'fixed'
    if (errorCode === 0 && stays) return this.#assign(groupId, memberId, generationId)
    await this.request(LeaveGroup, 3, { groupId, members: [{ memberId, groupInstanceId: null }] } as never)
  }

  async #assign(groupId: string, memberId: string, generationId: number): Promise<void> {
    const groupInstanceId = groupId === 'fixed' ? 'i1' : null
    const assignments = [{ memberId, assignment: new Uint8Array(4) }]
    await this.request(SyncGroup, 5, {
      groupId,
      memberId,
      generationId,
      groupInstanceId,
      protocolType: null,
      protocolName: null,
      assignments
    } as never)
    this.#members.set(groupId, { memberId, generationId })
  }

  async join(groupId: 'live' | 'fixed'): Promise<void> {
    const body = {
      groupId,
      sessionTimeoutMs: 1_800_000,
      rebalanceTimeoutMs: 60_000,
      memberId: this.#members.get(groupId)?.memberId ?? '',
      groupInstanceId: groupId === 'fixed' ? 'i1' : null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(4) }],
      reason: null
    }
    let response = await this.request(JoinGroup, 9, body)
    if (response.errorCode === memberIdRequired || response.errorCode === unknownMember) {
      const memberId = response.errorCode === memberIdRequired ? response.memberId : ''
      response = await this.request(JoinGroup, 9, { ...body, memberId })
      if (response.errorCode === memberIdRequired) response = await this.request(JoinGroup, 9, { ...body, memberId: response.memberId })
    }
    if (response.errorCode !== 0) throw new Error(`No member of ${groupId}: ${response.errorCode}`)
    await this.#assign(groupId, response.memberId, response.generationId ?? -1)
  }

  /** Waits until the coordinator of groups answers. */
  async ready(): Promise<void> {
    for (;;) {
      const { coordinators = [] } = await this.request(FindCoordinator, 4, { keyType: 0, coordinatorKeys: ['readers'] })
      if (coordinators[0].errorCode === 0) return
      await wait(50)
    }
  }

  async produce(name: string, index: number, records: Uint8Array): Promise<void> {
    const { responses } = await this.request(Produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name, partitionData: [{ index, records }] }]
    })
    const { errorCode } = responses[0].partitionResponses[0]
    if (errorCode !== 0) throw new Error(`${name}-${index}: ${errorCode}`)
  }

  /** The topics with their partitions and their ends, as one text; an error shows as well. */
  async state(): Promise<string> {
    const { topics } = await this.request(Metadata, 12, {
      topics: null,
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false
    })
    const own = topics.filter(({ name }) => !name?.startsWith('__'))
    this.#topicIds.clear()
    for (const { name, topicId } of topics) this.#topicIds.set(name as string, topicId as string)
    const { topics: ends } = await this.request(ListOffsets, 4, {
      replicaId: -1,
      isolationLevel: 0,
      topics: own.map(({ name, partitions }) => ({
        name: name as string,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: -1 }))
      }))
    })
    const lines = ends.map(({ name, partitions }) => {
      const each = partitions.map(({ partitionIndex, errorCode, offset }) => `${partitionIndex}=${errorCode || offset}`).sort()
      return `${name} ${each.join(' ')}`
    })
    return lines.sort().join('\n')
  }
}

const memberIdRequired = 79
const unknownMember = 25

export function wait(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** acks=0 asks for no answer. */
function isSilent({ api, body, version, fault }: Question): boolean {
  return api === Produce && body.acks === 0 && version >= 3 && fault === undefined
}

/** Kafka answers a version of ApiVersions that it does not know in version 0. */
function answeredVersion(api: Api, asked: number): number {
  const isUnknown = api === ApiVersions && (asked > 4 || asked < 0)
  return isUnknown ? 0 : asked
}
