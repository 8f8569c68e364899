import { consumerProtocolType, encodeAssignment, encodeSubscription } from '../../src/assignor/consumer-protocol.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { SyncGroup } from '../../src/protocol/messages/sync-group.js'
import type { RawClient } from './raw-client.js'

/** Joins a group as its only member, and gets partition 0 of a topic; sends no heartbeats afterwards. */
export async function joinAlone(client: RawClient, groupId: string, topic: string, sessionTimeoutMs: number): Promise<void> {
  const protocols = [{ name: 'range', metadata: encodeSubscription({ topics: [topic] }) }]
  const join = {
    groupId,
    sessionTimeoutMs,
    rebalanceTimeoutMs: sessionTimeoutMs,
    memberId: '',
    protocolType: consumerProtocolType,
    protocols
  }
  client.request(JoinGroup, 2, join)
  const { body } = await client.response(JoinGroup, 2)
  const { memberId, generationId = -1 } = body
  const assignments = [{ memberId, assignment: encodeAssignment({ partitions: [{ topic, partition: 0 }] }) }]
  client.request(SyncGroup, 2, { groupId, generationId, memberId, assignments })
  await client.response(SyncGroup, 2)
}
