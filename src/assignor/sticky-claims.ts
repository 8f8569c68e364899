import type { AssignorMember, TopicPartition } from './assignor.js'
import type { PartitionTable } from './partition-table.js'

/**
 * The partitions that a member says it held, and since which generation (`null`: it did not say).
 */
export interface Claim {
  readonly partitions: readonly TopicPartition[]
  readonly generationId: number | null
}

/** Finds the claim of a member: in its user data, or in the subscription itself. */
export type ClaimOf = (member: AssignorMember) => Claim

/**
 * The partitions that each member may keep, after all claims were compared. Everything is given by
 * number in the `PartitionTable`.
 */
export interface Claims {
  /** For each member the partitions that it holds rightfully, in the order it named them. */
  readonly owned: readonly Set<number>[]
  /** Partitions that two members claimed in one generation: neither keeps them. */
  readonly disputed: ReadonlySet<number>
  /**
   * The last holder of a partition in an older generation than the newest: a good place to move it
   * back to.
   */
  readonly formerOwners: ReadonlyMap<number, number>
}

const noGeneration = -1

/**
 * Weighs the claims: the highest generation wins a partition, and of two claims in one generation
 * both lose.
 */
export function weighClaims(table: PartitionTable, claimOf: ClaimOf): Claims {
  const claims = table.members.map(claimOf)
  const generations = claims.map(claim => claim.generationId ?? noGeneration)
  const newest = Math.max(noGeneration, ...generations)
  const owned = claims.map(() => new Set<number>())
  const disputed = new Set<number>()
  const owners = new Map<number, number>()
  const former = new Map<number, number>()
  for (let member = 0; member < claims.length; member++) {
    for (const partition of claims[member].partitions) {
      const number = table.numberOf(partition)
      if (number < 0) continue
      if (generations[member] < newest) rememberFormer(former, number, member, generations)
      const other = owners.get(number)
      if (other === member) continue
      if (other === undefined || generations[member] > generations[other]) {
        if (other !== undefined) owned[other].delete(number)
        owned[member].add(number)
        owners.set(number, member)
      } else if (generations[member] === generations[other]) {
        owned[other].delete(number)
        owners.set(number, member)
        disputed.add(number)
      }
    }
  }
  return { owned, disputed, formerOwners: former }
}

function rememberFormer(former: Map<number, number>, number: number, member: number, generations: readonly number[]): void {
  const other = former.get(number)
  if (other === undefined || generations[member] > generations[other]) former.set(number, member)
}
