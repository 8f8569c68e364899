import type { Clock } from '../../common/clock.js'
import type { BrokerConfigs } from '../../metadata/broker-configs.js'
import type { ClusterMetadata } from '../../metadata/cluster-metadata.js'
import type { ClientQuotaKey, ConnectionQuotas } from '../../protocol/quotas.js'
import { Rate, type RateWindow } from './rate.js'
import { TokenBucket } from './token-bucket.js'

type Quotas = ClusterMetadata['clientQuotas']

/**
 * Clients choose their names, so they could have any number of counters; beyond so many of a kind,
 * those that were made first are forgotten.
 */
const mostCounters = 10_000

/**
 * The counts of all clients of a node that are not in its process. Clients that share a quota share
 * a counter.
 */
export class NodeQuotas implements ConnectionQuotas {
  readonly clock: Clock
  readonly quotas: Quotas
  readonly window: RateWindow
  readonly #rates = new Map<string, Rate>()
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #mutationWindow: RateWindow

  constructor(clock: Clock, quotas: Quotas, configs: BrokerConfigs) {
    this.clock = clock
    this.quotas = quotas
    this.window = { samples: configs.number('quota.window.num'), sampleMs: configs.number('quota.window.size.seconds') * 1000 }
    this.#mutationWindow = {
      samples: configs.number('controller.quota.window.num'),
      sampleMs: configs.number('controller.quota.window.size.seconds') * 1000
    }
  }

  /** The number of counters. */
  get counterCount(): number {
    return this.#rates.size + this.#buckets.size
  }

  connectionDelayMs(address: string): number {
    const limit = this.quotas.connectionRate(address)
    if (limit === undefined) return 0
    const now = this.clock.monotonic()
    const rate = this.rateOf('connection_creation_rate', address)
    rate.record(1, now)
    const delayMs = Math.min(rate.throttleMs(limit, now), this.window.sampleMs)
    if (delayMs > 0) rate.record(-1, now)
    return delayMs
  }

  rateOf(key: ClientQuotaKey, sharedBy: string): Rate {
    return this.#counter(this.#rates, `${key} ${sharedBy}`, () => new Rate(this.window))
  }

  bucketOf(sharedBy: string): TokenBucket {
    return this.#counter(this.#buckets, sharedBy, () => new TokenBucket(this.#mutationWindow))
  }

  #counter<C extends { isIdle(now: number): boolean }>(counters: Map<string, C>, key: string, make: () => C): C {
    let counter = counters.get(key)
    if (counter) return counter
    if (counters.size >= mostCounters) this.#makeRoom(counters)
    counters.set(key, (counter = make()))
    return counter
  }

  /** An idle counter is as good as a new one. */
  #makeRoom(counters: Map<string, { isIdle(now: number): boolean }>): void {
    const now = this.clock.monotonic()
    for (const [key, counter] of counters) if (counter.isIdle(now)) counters.delete(key)
    for (const key of counters.keys()) {
      if (counters.size < mostCounters * (3 / 4)) return
      counters.delete(key)
    }
  }
}
