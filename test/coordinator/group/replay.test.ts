import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StateLog } from '../../../src/broker/state-host.js'
import { systemRandom } from '../../../src/common/random.js'
import { GroupMachine } from '../../../src/coordinator/group/group-machine.js'
import { groupDefaults } from '../../../src/coordinator/group/group-options.js'
import { KafkaError } from '../../../src/errors.js'
import type { Log } from '../../../src/log/log.js'
import { batchesIn } from '../../../src/record/record-batch.js'
import { Groups, nameOf, stabilise, type TestMember, turn } from './harness.js'

/** What a machine would store of its whole state, in an order that does not depend on its history. */
function stateOf(machine: GroupMachine): string[] {
  const hex = (bytes: Uint8Array | null) => (bytes ? Buffer.from(bytes).toString('hex') : '')
  return Array.from(machine.snapshot(), ({ key, value }) => `${hex(key)}=${hex(value)}`).sort()
}

function replayed(log: Log, groups: Groups): GroupMachine {
  const machine = new GroupMachine({
    clock: groups.clock,
    random: systemRandom,
    options: groupDefaults,
    run: decide => decide().committed(),
    emit: () => {}
  })
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    for (const batch of batchesIn(log.read(offset, 65536) as Uint8Array)) {
      for (const record of batch.records()) machine.replay(record)
      offset = batch.nextOffset
    }
  }
  return machine
}

describe('a coordinator that starts again', () => {
  it('goes on with the members, the generation and the offsets that there were', async () => {
    const groups = new Groups()
    const [leader, follower] = [groups.member(), groups.member({ instanceId: 'i' })]
    await leader.join()
    const joining = follower.join()
    await turn()
    await Promise.all([leader.join(), joining])
    await Promise.all([leader.sync(), follower.sync()])
    await leader.commit(42)
    const before = await groups.coordinator.describeGroup('g', true)
    const again = await groups.restart()
    expect(await again.coordinator.describeGroup('g', true)).toEqual(before)
    expect([await again.heartbeat(leader), await again.heartbeat(follower)]).toEqual(['NONE', 'NONE'])
    expect(await again.member().committed()).toBe(42)
    await again.clock.advance(9_000)
    expect(await again.heartbeat(leader)).toBe('NONE')
    await again.clock.advance(1_000)
    expect(await again.heartbeat(leader)).toBe('REBALANCE_IN_PROGRESS')
    expect(await again.heartbeat(follower)).toBe('UNKNOWN_MEMBER_ID')
  })

  it('knows nothing of a generation whose assignment never came', async () => {
    const groups = new Groups()
    const member = groups.member()
    await member.join()
    const again = await groups.restart()
    expect(await again.stateOf()).toBe('Empty')
    expect(await again.heartbeat(member)).toBe('UNKNOWN_MEMBER_ID')
  })

  it('remembers the new id of a static member that came back', async () => {
    const groups = new Groups()
    await stabilise(groups.member({ instanceId: 'i' }))
    const back = groups.member({ instanceId: 'i' })
    await back.join()
    const again = await groups.restart()
    expect(await again.heartbeat(back)).toBe('NONE')
  })

  it('makes a group that is larger than it may be now rebalance', async () => {
    const groups = new Groups()
    const [leader, follower] = [groups.member(), groups.member()]
    await leader.join()
    const joining = follower.join()
    await turn()
    await Promise.all([leader.join(), joining])
    await Promise.all([leader.sync(), follower.sync()])
    const again = await groups.restart({ maxGroupSize: 1 })
    expect(await again.heartbeat(leader)).toBe('REBALANCE_IN_PROGRESS')
  })

  it('keeps the log bounded, and all that is committed', async () => {
    const groups = new Groups({ snapshotBytes: 32 * 1024 })
    const member = groups.member()
    await stabilise(member)
    for (let i = 0; i < 5000; i++) await member.commit(i, 't', i % 10)
    expect(groups.log.sizeInBytes).toBeLessThan(128 * 1024)
    const again = await groups.restart()
    expect(await again.heartbeat(member)).toBe('NONE')
    for (let partition = 0; partition < 10; partition++) expect(await again.member().committed('t', partition)).toBe(4990 + partition)
  })
})

describe('a storage that fails', () => {
  const failing = () => {
    const trouble = { isOn: false }
    const wrapLog = (log: Log): StateLog => ({
      get logStartOffset() {
        return log.logStartOffset
      },
      get logEndOffset() {
        return log.logEndOffset
      },
      append: (batch, options) => {
        if (trouble.isOn) throw new KafkaError('KAFKA_STORAGE_ERROR')
        return log.append(batch, options)
      },
      read: (offset, maxBytes) => log.read(offset, maxBytes),
      deleteRecordsBefore: offset => log.deleteRecordsBefore(offset)
    })
    return { trouble, groups: new Groups({ wrapLog }) }
  }

  it('leaves no trace of a group that could not be created', async () => {
    const { trouble, groups } = failing()
    trouble.isOn = true
    expect(await groups.member().join()).toBe('NOT_COORDINATOR')
    expect(await groups.coordinator.listGroups([])).toEqual([])
    trouble.isOn = false
    expect(await groups.member().join()).toBe('NONE')
  })

  it('keeps an offset from being committed, and says so', async () => {
    const { trouble, groups } = failing()
    const member = groups.member()
    await stabilise(member)
    await member.commit(1)
    trouble.isOn = true
    expect(await member.commit(2)).toBe('NOT_COORDINATOR')
    expect(await member.committed()).toBe(1)
    trouble.isOn = false
    expect(await member.commit(3)).toBe('NONE')
  })

  it('tells everyone that waits for an assignment, and the group starts over', async () => {
    const { trouble, groups } = failing()
    const [leader, follower] = [groups.member(), groups.member()]
    await leader.join()
    const joining = follower.join()
    await turn()
    await Promise.all([leader.join(), joining])
    const waiting = follower.sync()
    trouble.isOn = true
    expect([await leader.sync(), await waiting]).toEqual(['NOT_COORDINATOR', 'NOT_COORDINATOR'])
    expect(await follower.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    trouble.isOn = false
    await Promise.all([leader.join(), follower.join()])
    expect(await Promise.all([leader.sync(), follower.sync()])).toEqual(['NONE', 'NONE'])
  })

  it('leaves a static member that comes back outside, and its former self in place', async () => {
    const { trouble, groups } = failing()
    const member = groups.member({ instanceId: 'i' })
    await stabilise(member)
    trouble.isOn = true
    expect(await groups.member({ instanceId: 'i' }).join()).toBe('NOT_COORDINATOR')
    expect(await member.heartbeat()).toBe('NONE')
  })

  it('keeps a group from being deleted', async () => {
    const { trouble, groups } = failing()
    await groups.member().commit(7)
    trouble.isOn = true
    expect(nameOf({ errorCode: await groups.coordinator.deleteGroup('g') })).toBe('NOT_COORDINATOR')
    expect(await groups.member().committed()).toBe(7)
  })
})

describe('the log', () => {
  it('holds all of the state: replaying it gives what the machine has', async () => {
    const step = fc.oneof(
      fc.record({ act: fc.constantFrom('join' as const, 'sync' as const, 'leave' as const), who: fc.nat(3) }),
      fc.record({ act: fc.constant('commit' as const), who: fc.nat(3), offset: fc.nat(1000), partition: fc.nat(3) }),
      fc.record({ act: fc.constant('wait' as const), who: fc.constantFrom(100, 5_000, 90_000_000) }),
      fc.record({ act: fc.constantFrom('delete' as const, 'deleteTopic' as const), who: fc.nat(1) })
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), fc.boolean(), async (steps, bounded) => {
        const groups = new Groups({
          offsetsRetentionMs: 50_000_000,
          offsetsRetentionCheckIntervalMs: 60_000_000,
          ...(bounded && { snapshotBytes: 500 })
        })
        await groups.coordinator.load([0])
        const members: TestMember[] = Array.from({ length: 4 }, (_, i) =>
          groups.member({ groupId: `g${i % 2}`, instanceId: i === 3 ? 'i' : null, rebalanceTimeoutMs: 3000 })
        )
        for (const [i, chosen] of steps.entries()) {
          const member = members[chosen.who % 4]
          if (chosen.act === 'join') void member.join()
          else if (chosen.act === 'sync') void member.sync()
          else if (chosen.act === 'leave') void member.leave()
          else if (chosen.act === 'commit') void member.commit(chosen.offset, `t${chosen.offset % 2}`, chosen.partition)
          else if (chosen.act === 'wait') await groups.clock.advance(chosen.who)
          else if (chosen.act === 'delete') void groups.coordinator.deleteGroup(`g${chosen.who}`)
          else void groups.coordinator.topicsDeleted([`t${chosen.who}`])
          if (i % 4 === 3) await turn()
        }
        await turn()
        expect(stateOf(replayed(groups.log, groups))).toEqual(stateOf(groups.machines.get(0)!))
        const before = stateOf(groups.machines.get(0)!)
        const again = await groups.restart()
        expect(stateOf(again.machines.get(0)!)).toEqual(before)
        await again.coordinator.close()
      }),
      { numRuns: 60 }
    )
  })
})
