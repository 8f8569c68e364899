import { ClassicGroup } from './classic-group.js'
import type { GroupWorld } from './group-world.js'

/**
 * The groups of one partition that are in use, each made from what is stored of it when it is first
 * asked for.
 */
export class LiveGroups {
  readonly #world: GroupWorld
  readonly #groups = new Map<string, ClassicGroup>()

  constructor(world: GroupWorld) {
    this.#world = world
  }

  /** The group, or undefined when there is none of this name. */
  find(groupId: string): ClassicGroup | undefined {
    const live = this.#groups.get(groupId)
    if (live || !this.#world.store.has(groupId)) return live
    return this.create(groupId)
  }

  create(groupId: string): ClassicGroup {
    const group = new ClassicGroup(groupId, this.#world.clock, this.#world.store.group(groupId), this.#world.tally)
    this.#groups.set(groupId, group)
    return group
  }

  /** Forgets a group that has been deleted. */
  forget(groupId: string): void {
    const group = this.#groups.get(groupId)
    if (!group) return
    group.bury()
    this.#groups.delete(groupId)
  }

  /** All that exist. */
  *all(): Generator<ClassicGroup> {
    const groupIds = new Set([...this.#world.store.groupIds(), ...this.#groups.keys()])
    for (const groupId of groupIds) {
      const group = this.find(groupId)
      if (group) yield group
    }
  }
}
