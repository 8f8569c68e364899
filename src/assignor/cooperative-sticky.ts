import { type Assignor, type AssignorMember, expectAssignArguments } from './assignor.js'
import type { PartitionTable } from './partition-table.js'
import { assignSticky, namedAssignment } from './sticky.js'
import type { Claim } from './sticky-claims.js'
import { decodeCooperativeUserData, encodeCooperativeUserData } from './sticky-user-data.js'

/**
 * The sticky assignment for members that go on reading during a rebalance (KIP-429). A partition
 * that has to go from one live member to another is given to nobody in the first round: its holder
 * sees that it is gone, gives it up and joins again; the second round hands it over. Java's
 * `CooperativeStickyAssignor`.
 */
export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  cooperative: true,
  userData: (_, generationId) => encodeCooperativeUserData(generationId),
  assign(topics, members) {
    expectAssignArguments(topics, members)
    const { table, shares } = assignSticky(topics, members, claimOf)
    const transferring = shares.transferring ?? findTransfers(table, shares.partitions)
    const kept = shares.partitions.map((partitions, member) => partitions.filter(number => transferring.get(number) !== member))
    return namedAssignment(table, kept)
  }
}

function claimOf(member: AssignorMember): Claim {
  const partitions = member.ownedPartitions ?? []
  if (member.generationId !== undefined && member.generationId >= 0) return { partitions, generationId: member.generationId }
  return { partitions, generationId: decodeCooperativeUserData(member.userData) }
}

/** The partitions that one member gains and another loses, with the member that gains each. */
function findTransfers(table: PartitionTable, partitions: readonly (readonly number[])[]): Map<number, number> {
  const gained = new Map<number, number>()
  const lost = new Set<number>()
  for (let member = 0; member < partitions.length; member++) {
    const owned = new Set((table.members[member].ownedPartitions ?? []).map(partition => table.numberOf(partition)))
    const assigned = new Set(partitions[member])
    for (const number of assigned) if (!owned.has(number)) gained.set(number, member)
    for (const number of owned) if (!assigned.has(number)) lost.add(number)
  }
  for (const number of gained.keys()) if (!lost.has(number)) gained.delete(number)
  return gained
}
