import type { Assignor, AssignorMember, TopicPartition, TopicShape } from '../../src/assignor/assignor.js'

/** Topics by name and number of partitions. */
export function topics(counts: Record<string, number>): Map<string, TopicShape> {
  return new Map(Object.entries(counts).map(([name, partitionCount]) => [name, { partitionCount }]))
}

export function member(memberId: string, topicNames: readonly string[], more: Partial<AssignorMember> = {}): AssignorMember {
  return { memberId, topics: topicNames, ...more }
}

/** `'t0-1'` for partition 1 of t0. */
export function partition(text: string): TopicPartition {
  const dash = text.lastIndexOf('-')
  return { topic: text.slice(0, dash), partition: Number(text.slice(dash + 1)) }
}

export function partitions(text: string): TopicPartition[] {
  return text === '' ? [] : text.split(' ').map(partition)
}

export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

/** An assignment as text: member → its partitions, in their order. */
export function shown(assignment: ReadonlyMap<string, readonly TopicPartition[]>): Record<string, string> {
  return Object.fromEntries([...assignment].map(([memberId, held]) => [memberId, held.map(nameOf).join(' ')]))
}

/** What the members would bring to the next rebalance after they were given `assignment` in `generationId`. */
export function afterwards(
  assignor: Assignor,
  members: readonly AssignorMember[],
  assignment: ReadonlyMap<string, readonly TopicPartition[]>,
  generationId: number
): AssignorMember[] {
  return members.map(({ ownedPartitions: _, userData: __, generationId: ___, ...rest }) => {
    const held = assignment.get(rest.memberId) ?? []
    return {
      ...rest,
      generationId,
      ownedPartitions: assignor.cooperative ? held : [],
      userData: assignor.userData?.(held, generationId) ?? null
    }
  })
}
