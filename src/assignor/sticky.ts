import { type Assignor, type AssignorMember, expectAssignArguments, type TopicPartition, type TopicShape } from './assignor.js'
import { PartitionTable } from './partition-table.js'
import { type ClaimOf, weighClaims } from './sticky-claims.js'
import { assignEqually, type StickyAssignment } from './sticky-equal.js'
import { assignUnequally } from './sticky-unequal.js'
import { decodeStickyUserData, encodeStickyUserData } from './sticky-user-data.js'

/**
 * As balanced as the subscriptions allow, and, within that, as close to the assignment before as
 * possible (KIP-54). Members still give up everything during a rebalance; they get most of it back.
 * Java's `StickyAssignor`.
 */
export const stickyAssignor: Assignor = {
  name: 'sticky',
  cooperative: false,
  userData: (assigned, generationId) => (assigned ? encodeStickyUserData(assigned, generationId) : null),
  assign(topics, members) {
    expectAssignArguments(topics, members)
    const { table, shares } = assignSticky(topics, members, member => decodeStickyUserData(member.userData))
    return namedAssignment(table, shares.partitions)
  }
}

/**
 * The algorithm that both sticky assignors share; where a member's claim stands is the difference.
 */
export function assignSticky(
  topics: ReadonlyMap<string, TopicShape>,
  members: readonly AssignorMember[],
  claimOf: ClaimOf
): { table: PartitionTable; shares: StickyAssignment } {
  const table = new PartitionTable(topics, members)
  if (members.length === 0) return { table, shares: { partitions: [], transferring: new Map() } }
  const claims = weighClaims(table, claimOf)
  return { table, shares: subscriptionsAreEqual(members) ? assignEqually(table, claims) : assignUnequally(table, claims) }
}

/** Back from numbers to names. */
export function namedAssignment(table: PartitionTable, partitions: readonly (readonly number[])[]): Map<string, TopicPartition[]> {
  return new Map(table.members.map((member, index) => [member.memberId, partitions[index].map(number => table.at(number))]))
}

function subscriptionsAreEqual(members: readonly AssignorMember[]): boolean {
  const first = new Set(members[0].topics)
  return members.every(({ topics }) => new Set(topics).size === first.size && topics.every(topic => first.has(topic)))
}
