import { aclPatternTypes } from '../protocol/access.js'

/** The content of one ACL, with Kafka's numbers for kinds, operations and permissions. */
export interface AclState {
  readonly resourceType: number
  readonly resourceName: string
  readonly patternType: number
  readonly principal: string
  readonly host: string
  readonly operation: number
  readonly permissionType: number
}

/** As a literal name it stands for all names; as a host, for all hosts. */
export const wildcard = '*'

/** The ACLs of one pattern, by principal. */
export type AclsOfPattern = ReadonlyMap<string, ReadonlySet<AclState>>

/**
 * All ACLs of a cluster, by id, with an index by resource, so that asking takes as long with many
 * as with few.
 */
export class AclStore {
  readonly #byId = new Map<string, AclState>()
  readonly #ids = new Map<string, string>()
  readonly #byType = new Map<number, AclsOfType>()

  get size(): number {
    return this.#byId.size
  }

  get all(): ReadonlyMap<string, AclState> {
    return this.#byId
  }

  has(acl: AclState): boolean {
    return this.#ids.has(keyOf(acl))
  }

  /** Adds an ACL. One that says the same is there once, under its latest id. */
  add(id: string, acl: AclState): void {
    this.remove(id)
    const known = this.#ids.get(keyOf(acl))
    if (known !== undefined) this.remove(known)
    this.#byId.set(id, acl)
    this.#ids.set(keyOf(acl), id)
    let ofType = this.#byType.get(acl.resourceType)
    if (!ofType) this.#byType.set(acl.resourceType, (ofType = new AclsOfType()))
    ofType.add(acl)
  }

  remove(id: string): void {
    const acl = this.#byId.get(id)
    if (!acl) return
    this.#byId.delete(id)
    this.#ids.delete(keyOf(acl))
    this.#byType.get(acl.resourceType)?.remove(acl)
  }

  /** The ACLs whose patterns fit a resource. */
  matching(resourceType: number, name: string): readonly AclsOfPattern[] {
    return this.#byType.get(resourceType)?.matching(name) ?? []
  }
}

type MutableAcls = Map<string, Map<string, Set<AclState>>>

/** The ACLs of one kind of resource. */
class AclsOfType {
  readonly #literal: MutableAcls = new Map()
  readonly #prefixed: MutableAcls = new Map()
  /** The number of prefixes of each length: only these lengths of a name are looked up. */
  readonly #lengths = new Map<number, number>()

  add(acl: AclState): void {
    const patterns = this.#patternsOf(acl)
    let ofPattern = patterns.get(acl.resourceName)
    if (!ofPattern) {
      patterns.set(acl.resourceName, (ofPattern = new Map()))
      if (patterns === this.#prefixed) this.#countLength(acl.resourceName.length, 1)
    }
    const ofPrincipal = ofPattern.get(acl.principal)
    if (ofPrincipal) ofPrincipal.add(acl)
    else ofPattern.set(acl.principal, new Set([acl]))
  }

  remove(acl: AclState): void {
    const patterns = this.#patternsOf(acl)
    const ofPattern = patterns.get(acl.resourceName)
    const ofPrincipal = ofPattern?.get(acl.principal)
    if (!ofPattern || !ofPrincipal?.delete(acl) || ofPrincipal.size > 0) return
    ofPattern.delete(acl.principal)
    if (ofPattern.size > 0) return
    patterns.delete(acl.resourceName)
    if (patterns === this.#prefixed) this.#countLength(acl.resourceName.length, -1)
  }

  matching(name: string): readonly AclsOfPattern[] {
    const found: AclsOfPattern[] = []
    const add = (ofPattern: AclsOfPattern | undefined) => ofPattern && found.push(ofPattern)
    add(this.#literal.get(name))
    if (name !== wildcard) add(this.#literal.get(wildcard))
    for (const length of this.#lengths.keys()) if (length <= name.length) add(this.#prefixed.get(name.slice(0, length)))
    return found
  }

  #patternsOf(acl: AclState): MutableAcls {
    return acl.patternType === aclPatternTypes.prefixed ? this.#prefixed : this.#literal
  }

  #countLength(length: number, change: number): void {
    const count = (this.#lengths.get(length) ?? 0) + change
    if (count > 0) this.#lengths.set(length, count)
    else this.#lengths.delete(length)
  }
}

function keyOf({ resourceType, resourceName, patternType: type, principal, host, operation, permissionType }: AclState): string {
  return JSON.stringify([resourceType, resourceName, type, principal, host, operation, permissionType])
}
