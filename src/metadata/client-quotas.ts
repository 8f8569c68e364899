import { canonicalAddress } from '../common/ip-address.js'
import type { ClientQuotaKey } from '../protocol/quotas.js'

/** One part of whom a quota is for; the name is null for all that have no quota of their own. */
export interface QuotaEntityPart {
  readonly entityType: string
  readonly entityName: string | null
}

/** A quota: its entity, key and value. */
export interface ClientQuotaState {
  readonly entity: readonly QuotaEntityPart[]
  readonly values: ReadonlyMap<string, number>
}

/**
 * A limit, and which clients share it: those of a user, of a client id, or of a user under one
 * client id.
 */
export interface ApplyingQuota {
  readonly limit: number
  readonly sharedBy: string
}

/** The quotas of a cluster, by whom they are for, with an index by what they limit. */
export class ClientQuotaStore {
  readonly #byEntity = new Map<string, { readonly entity: readonly QuotaEntityPart[]; readonly values: Map<string, number> }>()
  readonly #limits = new Map<string, Map<string, number>>()
  #version = 0

  /** Grows with each change. */
  get version(): number {
    return this.#version
  }

  get size(): number {
    return this.#byEntity.size
  }

  get all(): Iterable<ClientQuotaState> {
    return this.#byEntity.values()
  }

  of(entity: readonly QuotaEntityPart[]): ReadonlyMap<string, number> | undefined {
    return this.#byEntity.get(keyOfEntity(entity))?.values
  }

  has(entity: readonly QuotaEntityPart[]): boolean {
    return this.#byEntity.has(keyOfEntity(entity))
  }

  /** True if anybody has a quota of this kind. */
  limits(key: ClientQuotaKey): boolean {
    return this.#limits.has(key)
  }

  set(entity: readonly QuotaEntityPart[], key: string, value: number): void {
    const entityKey = keyOfEntity(entity)
    let quota = this.#byEntity.get(entityKey)
    if (!quota) this.#byEntity.set(entityKey, (quota = { entity, values: new Map() }))
    quota.values.set(key, value)
    let limits = this.#limits.get(key)
    if (!limits) this.#limits.set(key, (limits = new Map()))
    limits.set(entityKey, value)
    this.#version++
  }

  remove(entity: readonly QuotaEntityPart[], key: string): void {
    const entityKey = keyOfEntity(entity)
    const quota = this.#byEntity.get(entityKey)
    if (!quota?.values.delete(key)) return
    if (quota.values.size === 0) this.#byEntity.delete(entityKey)
    const limits = this.#limits.get(key)
    limits?.delete(entityKey)
    if (limits?.size === 0) this.#limits.delete(key)
    this.#version++
  }

  /**
   * The quota that counts for a client, in Kafka's order: what is said of the user comes first, and
   * a name before the default (KIP-55, KIP-546).
   */
  applying(key: ClientQuotaKey, user: string, clientId: string): ApplyingQuota | undefined {
    const limits = this.#limits.get(key)
    if (!limits) return undefined
    const order: readonly [user: Name, clientId: Name][] = [
      [user, clientId],
      [user, null],
      [user, undefined],
      [null, clientId],
      [null, null],
      [null, undefined],
      [undefined, clientId],
      [undefined, null]
    ]
    for (const [ofUser, ofClientId] of order) {
      const limit = limits.get(keyOf(ofUser, ofClientId))
      if (limit === undefined) continue
      const sharedBy = keyOf(ofUser === undefined ? undefined : user, ofClientId === undefined ? undefined : clientId)
      return { limit, sharedBy }
    }
    return undefined
  }

  /** The most connections a second from an address; undefined for any number. */
  connectionRate(address: string): number | undefined {
    const limits = this.#limits.get('connection_creation_rate')
    return limits?.get(keyOf(undefined, undefined, canonicalAddress(address))) ?? limits?.get(keyOf(undefined, undefined, null))
  }
}

/** A name, null for the default, undefined where a quota does not depend on it. */
type Name = string | null | undefined

function keyOf(user: Name, clientId: Name, address?: Name): string {
  return JSON.stringify([user, clientId, address].map(name => (name === undefined ? 0 : name)))
}

function keyOfEntity(entity: readonly QuotaEntityPart[]): string {
  const nameOf = (type: string) => entity.find(({ entityType }) => entityType === type)?.entityName
  const address = nameOf('ip')
  return keyOf(nameOf('user'), nameOf('client-id'), typeof address === 'string' ? canonicalAddress(address) : address)
}
