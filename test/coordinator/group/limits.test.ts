import { afterEach, describe, expect, it } from 'vitest'
import { Cluster, type ClusterOptions } from '../../../src/cluster.js'
import { errorCodeOf } from '../../../src/errors.js'
import { AlterUserScramCredentials } from '../../../src/protocol/messages/alter-user-scram-credentials.js'
import { JoinGroup } from '../../../src/protocol/messages/join-group.js'
import { OffsetCommit } from '../../../src/protocol/messages/offset-commit.js'
import { Groups, nameOf, stabilise } from './harness.js'

let cluster: Cluster | undefined

afterEach(() => cluster?.close())

async function open(configs: ClusterOptions['configs']): Promise<void> {
  cluster = await Cluster.open({ configs })
  await cluster.admin().createTopic({ name: 't', partitions: 10 })
}

const client = () => cluster!.node!.connect({ clientId: 'c' })

async function join(groupId: string, metadata = new Uint8Array(10)): Promise<string> {
  const protocols = [{ name: 'range', metadata }]
  const request = { groupId, sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, memberId: '', protocolType: 'consumer', protocols }
  return errorCodeOf((await client().request(JoinGroup, request)).errorCode)
}

async function commit(groupId: string, partitions: readonly number[], metadata = ''): Promise<string[]> {
  const committed = partitions.map(partitionIndex => ({ partitionIndex, committedOffset: 0, committedMetadata: metadata }))
  const request = { groupId, generationIdOrMemberEpoch: -1, memberId: '', topics: [{ name: 't', partitions: committed }] }
  const { topics } = await client().request(OffsetCommit, request)
  return topics[0].partitions.map(({ errorCode }) => errorCodeOf(errorCode))
}

describe('the limits of groups', () => {
  it('bound how many there are, whether members or commits make them', async () => {
    await open({ 'millrace.max.groups': 2 })
    expect(await join('a')).toBe('MEMBER_ID_REQUIRED')
    expect(await commit('b', [0])).toEqual(['NONE'])
    expect(await join('c')).toBe('GROUP_MAX_SIZE_REACHED')
    expect(await commit('c', [0])).toEqual(['INVALID_COMMIT_OFFSET_SIZE'])
    expect(await commit('b', [1])).toEqual(['NONE'])
    await cluster!.admin().deleteGroups(['b'])
    expect(await commit('c', [0])).toEqual(['NONE'])
  })

  it('bound the members of all groups, those included that have only asked for an id', async () => {
    await open({ 'millrace.max.members': 3 })
    expect(await Promise.all(['a', 'b', 'a', 'c'].map(groupId => join(groupId)))).toEqual([
      'MEMBER_ID_REQUIRED',
      'MEMBER_ID_REQUIRED',
      'MEMBER_ID_REQUIRED',
      'GROUP_MAX_SIZE_REACHED'
    ])
  })

  it('give the place of a member that left to another', async () => {
    await open({ 'millrace.max.members': 1 })
    for (let i = 0; i < 3; i++) {
      const consumer = cluster!.consumer({ groupId: `g${i}`, topics: ['t'] })
      await consumer.start()
      await consumer.close()
    }
  })

  it('bound what members say of themselves', async () => {
    await open({ 'millrace.max.group.bytes': 1000 })
    expect(await join('a', new Uint8Array(2000))).toBe('GROUP_MAX_SIZE_REACHED')
    expect(await join('a', new Uint8Array(500))).toBe('MEMBER_ID_REQUIRED')
  })

  it('bound the offsets that are committed, and leave those that are committed again their room', async () => {
    await open({ 'millrace.max.committed.offsets': 3 })
    expect(await commit('a', [0, 1])).toEqual(['NONE', 'NONE'])
    expect(await commit('b', [0, 1])).toEqual(['NONE', 'INVALID_COMMIT_OFFSET_SIZE'])
    expect(await commit('a', [0, 1])).toEqual(['NONE', 'NONE'])
    await cluster!.admin().deleteGroups(['a'])
    expect(await commit('b', [1, 2])).toEqual(['NONE', 'NONE'])
  })

  it('bound the metadata that is kept with committed offsets', async () => {
    await open({ 'millrace.max.group.bytes': 100 })
    expect(await commit('a', [0], 'm'.repeat(80))).toEqual(['NONE'])
    expect(await commit('a', [1], 'm'.repeat(30))).toEqual(['INVALID_COMMIT_OFFSET_SIZE'])
    expect(await commit('a', [0], 'm'.repeat(10))).toEqual(['NONE'])
    expect(await commit('a', [1], 'm'.repeat(30))).toEqual(['NONE'])
  })
})

describe('the tally of groups', () => {
  it('is as before after a restart, and after everything has gone or expired', async () => {
    const limits = { maxGroups: 2, maxMembers: 1, maxOffsets: 2, maxBytes: 1000 }
    const before = new Groups(limits)
    const first = before.member({ groupId: 'a' })
    await stabilise(first)
    expect(await first.commit(1)).toBe('NONE')
    expect(await first.commit(1, 't', 1, 'm')).toBe('NONE')
    expect(await first.commit(1, 't', 2)).toBe('INVALID_COMMIT_OFFSET_SIZE')
    expect(await before.member({ groupId: 'b' }).join()).toBe('GROUP_MAX_SIZE_REACHED')

    const groups = await before.restart(limits)
    expect(await groups.member({ groupId: 'b' }).join()).toBe('GROUP_MAX_SIZE_REACHED')
    expect(await groups.member({ groupId: 'b' }).commit(1)).toBe('INVALID_COMMIT_OFFSET_SIZE')
    // Sessions end, and later what was committed expires.
    await groups.clock.advance(10_000)
    const third = groups.member({ groupId: 'b' })
    expect(await third.join()).toBe('NONE')
    expect(await third.leave()).toBe('NONE')
    await groups.clock.advance(8 * 24 * 3_600_000)
    await groups.coordinator.expireOffsets()
    for (const groupId of ['c', 'd']) expect(await groups.member({ groupId }).commit(1)).toBe('NONE')
    expect(await groups.member({ groupId: 'e' }).commit(1)).toBe('INVALID_COMMIT_OFFSET_SIZE')
    await groups.coordinator.close()
  })

  it('counts what a member adds when it comes back with its id, and what its leader assigns', async () => {
    const groups = new Groups({ maxBytes: 1200 })
    const member = groups.member()
    expect(await member.joinOnce()).toBe('MEMBER_ID_REQUIRED')
    member.topics = ['x'.repeat(2000)]
    expect(await member.joinOnce()).toBe('GROUP_MAX_SIZE_REACHED')
    member.topics = ['t']
    expect(await member.joinOnce()).toBe('NONE')
    const { groupId, memberId, generationId } = member
    const assign = async (bytes: number) => {
      const assignments = [{ memberId, assignment: new Uint8Array(bytes) }]
      return nameOf(await groups.coordinator.syncGroup({ groupId, memberId, generationId: member.generationId, assignments }))
    }
    expect(generationId).toBe(1)
    expect(await assign(2000)).toBe('GROUP_MAX_SIZE_REACHED')
    expect(await member.join()).toBe('NONE')
    expect(await assign(200)).toBe('NONE')
    await groups.coordinator.close()
  })

  it('lets a static member come back where no other member may come', async () => {
    const groups = new Groups({ maxMembers: 1 })
    await stabilise(groups.member({ instanceId: 'one' }))
    expect(await groups.member({ instanceId: 'one' }).join()).toBe('NONE')
    expect(await groups.member({ instanceId: 'two' }).join()).toBe('GROUP_MAX_SIZE_REACHED')
    await groups.coordinator.close()
  })
})

describe('the limits of what else is kept', () => {
  it('bound the users that clients make', async () => {
    await open({ 'millrace.max.users': 2 })
    const upsertions = (...names: string[]) =>
      names.map(name => ({ name, mechanism: 1, iterations: 4096, salt: new Uint8Array(8), saltedPassword: new Uint8Array(32) }))
    const alter = async (...names: string[]) => {
      const { results } = await client().request(AlterUserScramCredentials, { deletions: [], upsertions: upsertions(...names) })
      return results.map(({ errorCode }) => errorCodeOf(errorCode))
    }
    expect(await alter('ann', 'bob')).toEqual(['NONE', 'NONE'])
    expect(await alter('cid')).toEqual(['POLICY_VIOLATION'])
    expect(await alter('ann')).toEqual(['NONE'])
    expect(await alter('x'.repeat(2000))).toEqual(['UNACCEPTABLE_CREDENTIAL'])
  })

  it('bound the value of a config', async () => {
    await open({})
    const configs = { 'cleanup.policy': 'delete,'.repeat(1000) }
    await expect(cluster!.admin().createTopic({ name: 'u', configs })).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
  })
})
