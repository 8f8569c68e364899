import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Assignor } from '../../../src/assignor/assignor.js'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../../src/assignor/consumer-protocol.js'
import { rangeAssignor } from '../../../src/assignor/range.js'
import { stickyAssignor } from '../../../src/assignor/sticky.js'
import { Groups, nameOf, newest } from './harness.js'

const partitionCount = 5
const topic = 't'
const assignors: readonly Assignor[] = [rangeAssignor, stickyAssignor]
const caller = { clientId: 'c', clientHost: '/here', apiVersion: newest }

/** All that was ever handed out, and what was taken as committed. */
class Ledger {
  /** Generation → partition → who got it. */
  readonly owners = new Map<number, Map<number, string>>()
  readonly leaders = new Map<number, string>()
  newestGeneration = 0
  committed = -1

  lead(generation: number, memberId: string): void {
    expect(this.leaders.get(generation) ?? memberId).toBe(memberId)
    this.leaders.set(generation, memberId)
  }

  own(generation: number, partitions: readonly number[], memberId: string): void {
    const owners = this.owners.get(generation) ?? new Map<number, string>()
    this.owners.set(generation, owners)
    for (const partition of partitions) {
      expect(owners.get(partition) ?? memberId).toBe(memberId)
      owners.set(partition, memberId)
    }
    expect(generation).toBeGreaterThanOrEqual(this.newestGeneration)
    this.newestGeneration = generation
  }
}

/** A consumer as it behaves, in steps: one request at a time, of which any may never be followed by another. */
class Consumer {
  readonly groups: Groups
  readonly ledger: Ledger
  readonly instanceId: string | null
  readonly name: string
  memberId = ''
  generationId = -1
  needs: 'join' | 'sync' | 'nothing' = 'join'
  busy = false
  life = 0
  owned: number[] = []
  userData: Uint8Array | null = null
  controller = new AbortController()
  /** What it was called in its former lives: requests under these names may still arrive. */
  readonly ghosts: { readonly memberId: string; readonly generationId: number; readonly led: boolean }[] = []

  constructor(groups: Groups, ledger: Ledger, name: string, instanceId: string | null) {
    this.groups = groups
    this.ledger = ledger
    this.name = name
    this.instanceId = instanceId
  }

  /** The next thing that a consumer would do. */
  async step(): Promise<void> {
    if (this.busy) return
    const { life } = this
    this.busy = true
    try {
      if (this.needs === 'join') await this.#join(life)
      else if (this.needs === 'sync') await this.#sync(life)
      else await this.#heartbeat(life)
    } catch (error) {
      if (this.life === life) throw error
    } finally {
      if (this.life === life) this.busy = false
    }
  }

  /** Dies without a word; its requests stay where they are, or are seen to break off. */
  crash(noticed: boolean): void {
    this.life++
    this.ghosts.push({ memberId: this.memberId, generationId: this.generationId, led: this.leading !== undefined })
    if (noticed) this.controller.abort(new Error('crashed'))
    this.controller = new AbortController()
    this.#forget()
    this.busy = false
  }

  async leave(): Promise<void> {
    const { memberId, instanceId } = this
    this.crash(true)
    if (memberId !== '') await this.groups.coordinator.leaveGroup('g', [{ memberId, groupInstanceId: instanceId }])
  }

  async commit(as = { memberId: this.memberId, generationId: this.generationId }): Promise<void> {
    const { instanceId, ledger } = this
    const offset = ledger.committed + 1
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }]
    const request = {
      groupId: 'g',
      memberId: as.memberId,
      groupInstanceId: instanceId,
      generationIdOrMemberEpoch: as.generationId,
      topics: [{ name: topic, partitions }]
    }
    const result = nameOf((await this.groups.coordinator.commitOffsets(request, caller)).topics[0].partitions[0])
    if (result !== 'NONE') return
    ledger.committed = offset
    // Only the newest generation that was handed out may commit; and those who are no members, while there are none.
    if (as.generationId >= 0) expect(as.generationId).toBeGreaterThanOrEqual(ledger.newestGeneration)
  }

  /** A request from a former life arrives late. */
  async haunt(): Promise<void> {
    const ghost = this.ghosts.at(-1)
    if (!ghost) return
    await this.commit(ghost)
    // A leader's request would bring its assignment, which only the living work out.
    if (ghost.led) return
    const { memberId, generationId } = ghost
    const request = { groupId: 'g', memberId, generationId, groupInstanceId: this.instanceId, assignments: [] }
    const response = await this.groups.coordinator.syncGroup(request)
    if (response.errorCode !== 0) return
    const owned = decodeAssignment(response.assignment).partitions.map(({ partition }) => partition)
    this.ledger.own(ghost.generationId, owned, this.instanceId ?? ghost.memberId)
  }

  #forget(): void {
    this.memberId = ''
    this.generationId = -1
    this.needs = 'join'
    this.owned = []
    this.userData = null
  }

  async #join(life: number): Promise<void> {
    const metadata = (assignor: Assignor) => {
      const userData =
        assignor.userData?.(
          this.owned.map(partition => ({ topic, partition })),
          this.generationId
        ) ?? null
      return encodeSubscription({ topics: [topic], userData, generationId: this.generationId })
    }
    const request = {
      groupId: 'g',
      memberId: this.memberId,
      groupInstanceId: this.instanceId,
      sessionTimeoutMs: 1000,
      rebalanceTimeoutMs: 3000,
      protocolType: 'consumer',
      protocols: assignors.map(assignor => ({ name: assignor.name, metadata: metadata(assignor) }))
    }
    const response = await this.groups.coordinator.joinGroup(request, caller, this.controller.signal)
    if (this.life !== life) return
    const result = nameOf(response)
    if (result === 'UNKNOWN_MEMBER_ID' || result === 'FENCED_INSTANCE_ID') return this.#forget()
    if (result === 'MEMBER_ID_REQUIRED') this.memberId = response.memberId
    if (result !== 'NONE') return
    this.memberId = response.memberId
    this.generationId = response.generationId ?? -1
    this.needs = 'sync'
    this.leading = response.leader === response.memberId && response.members.length > 0 && !response.skipAssignment ? response : undefined
    if (this.leading) this.ledger.lead(this.generationId, response.memberId)
  }

  leading: Awaited<ReturnType<Groups['coordinator']['joinGroup']>> | undefined

  async #sync(life: number): Promise<void> {
    const assignor = assignors.find(({ name }) => name === this.leading?.protocolName)
    const members = this.leading?.members.map(({ memberId, groupInstanceId, metadata }) => ({
      ...decodeSubscription(metadata),
      memberId,
      groupInstanceId
    }))
    const assigned = assignor && members ? assignor.assign(new Map([[topic, { partitionCount }]]), members) : new Map()
    const assignments = Array.from(assigned, ([memberId, partitions]) => ({ memberId, assignment: encodeAssignment({ partitions }) }))
    const { memberId, generationId, instanceId } = this
    const request = { groupId: 'g', memberId, generationId, groupInstanceId: instanceId, assignments }
    const response = await this.groups.coordinator.syncGroup(request, this.controller.signal)
    if (this.life !== life) return
    const result = nameOf(response)
    if (result === 'UNKNOWN_MEMBER_ID' || result === 'FENCED_INSTANCE_ID') return this.#forget()
    this.needs = 'join'
    if (result !== 'NONE') return
    this.needs = 'nothing'
    this.owned = decodeAssignment(response.assignment).partitions.map(({ partition }) => partition)
    // A static member that came back has another id but the same place.
    this.ledger.own(generationId, this.owned, this.instanceId ?? memberId)
  }

  async #heartbeat(life: number): Promise<void> {
    const { memberId, generationId, instanceId } = this
    const result = nameOf(await this.groups.coordinator.heartbeat({ groupId: 'g', memberId, generationId, groupInstanceId: instanceId }))
    if (this.life !== life || result === 'NONE') return
    if (result === 'REBALANCE_IN_PROGRESS' || result === 'ILLEGAL_GENERATION') this.needs = 'join'
    else this.#forget()
  }
}

const microtasks = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

describe('a group under any sequence of joins, leaves, crashes, commits and silences', () => {
  it('has one leader and one owner per partition in each generation, commits only from the newest, and settles', async () => {
    const action = fc.oneof(
      { weight: 12, arbitrary: fc.record({ act: fc.constant('step' as const), who: fc.nat(4) }) },
      { weight: 4, arbitrary: fc.record({ act: fc.constantFrom('commit' as const, 'haunt' as const), who: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ act: fc.constantFrom('leave' as const, 'crash' as const, 'vanish' as const), who: fc.nat(4) }) },
      { weight: 2, arbitrary: fc.record({ act: fc.constant('wait' as const), who: fc.constantFrom(1, 300, 999, 3000) }) }
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 300, size: 'max' }),
        fc.constantFrom(0, 500),
        async (actions, initialRebalanceDelayMs) => {
          const groups = new Groups({ initialRebalanceDelayMs })
          const ledger = new Ledger()
          const consumers = Array.from({ length: 5 }, (_, i) => new Consumer(groups, ledger, `c${i}`, i > 2 ? `i${i}` : null))
          const failures: unknown[] = []
          const run = (work: Promise<void>) => void work.catch(error => failures.push(error))
          await groups.coordinator.load([0])
          for (const { act, who } of actions) {
            if (act === 'step') run(consumers[who].step())
            else if (act === 'commit') run(consumers[who].commit())
            else if (act === 'haunt') run(consumers[who].haunt())
            else if (act === 'leave') run(consumers[who].leave())
            else if (act === 'crash') consumers[who].crash(true)
            else if (act === 'vanish') consumers[who].crash(false)
            else await groups.clock.advance(who)
            await microtasks()
          }
          // From now on everyone behaves: the group must come to rest with every partition in one hand.
          for (let round = 0; round < 80; round++) {
            for (const consumer of consumers) run(consumer.step())
            await microtasks()
            if (round % 8 === 7) await groups.clock.advance(900)
          }
          expect(failures).toEqual([])
          expect(consumers.map(({ needs }) => needs)).toEqual(consumers.map(() => 'nothing'))
          expect(new Set(consumers.map(({ generationId }) => generationId)).size).toBe(1)
          expect(consumers.flatMap(({ owned }) => owned).sort()).toEqual([0, 1, 2, 3, 4])
          if (ledger.committed >= 0) {
            const { topics } = await groups.coordinator.fetchOffsets('g', null)
            expect(topics[0].partitions[0].committedOffset).toBe(ledger.committed)
          }
          await groups.coordinator.close()
          expect(groups.clock.timerCount).toBe(0)
        }
      ),
      { numRuns: 300 }
    )
  })
})
