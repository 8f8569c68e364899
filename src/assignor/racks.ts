/**
 * True if racks can matter (KIP-881): some member says where it runs, some replica stands in such a
 * rack, and not every partition can be read in every rack anyway.
 */
export function racksMatter(memberRacks: ReadonlySet<string>, partitionRacks: readonly ReadonlySet<string>[]): boolean {
  const all = new Set<string>()
  for (const racks of partitionRacks) for (const rack of racks) all.add(rack)
  let shared = false
  for (const rack of memberRacks) if (all.has(rack)) shared = true
  return shared && partitionRacks.some(racks => racks.size !== all.size)
}

/** The racks of a topic's partitions as sets; empty sets where they are unknown. */
export function rackSets(partitionCount: number, racks: readonly (readonly string[])[] | undefined): ReadonlySet<string>[] {
  return Array.from({ length: partitionCount }, (_, partition) => new Set(racks?.[partition] ?? []))
}
