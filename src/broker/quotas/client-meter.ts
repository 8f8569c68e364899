import { afterPromises } from '../../common/host.js'
import { KafkaError } from '../../errors.js'
import type { ApplyingQuota } from '../../metadata/client-quotas.js'
import type { Api } from '../../protocol/message.js'
import { ConditionalAppend } from '../../protocol/messages/conditional-append.js'
import { Fetch } from '../../protocol/messages/fetch.js'
import { Produce } from '../../protocol/messages/produce.js'
import type { ClientQuotaKey, QuotaMeter } from '../../protocol/quotas.js'
import type { NodeQuotas } from './node-quotas.js'

const done = Promise.resolve()

/** The longest time that fits into an answer. */
const longestMs = 2 ** 31 - 1

/**
 * Counts what a client under one client id uses, a request at a time. The time of a request is that
 * of the event loop, from when the request is read until it waits for something, and again while
 * its answer is encoded.
 */
export class ClientMeter implements QuotaMeter {
  readonly #node: NodeQuotas
  readonly #user: string
  readonly #clientId: string
  readonly #applying = new Map<ClientQuotaKey, ApplyingQuota | undefined>()
  #version = -1
  #isMetering = false
  /**
   * The time at which the event loop began to work on the request; undefined while the request
   * waits.
   */
  #since: number | undefined
  #workedMs = 0
  /** The finding of the request's handler. */
  #throttleMs = 0
  readonly #pause = () => {
    if (this.#since === undefined) return
    this.#workedMs += this.#now() - this.#since
    this.#since = undefined
  }

  constructor(node: NodeQuotas, user: string, clientId: string) {
    this.#node = node
    this.#user = user
    this.#clientId = clientId
  }

  get isOn(): boolean {
    return this.#node.quotas.size > 0
  }

  /** True if a request is being counted. */
  get isMetering(): boolean {
    return this.#isMetering
  }

  begin(): void {
    this.#isMetering = true
    this.#throttleMs = 0
    this.#workedMs = 0
    this.#since = undefined
    if (!this.#node.quotas.limits('request_percentage')) return
    this.#since = this.#now()
    // The first promises are resolved before what is done after promises.
    void done.then(() => afterPromises(this.#pause))
  }

  throttleMs(api: Api, requestBytes: number, isAnswered: boolean): number {
    let throttleMs = this.#throttleMs
    if (api === Produce || api === ConditionalAppend) throttleMs = Math.max(throttleMs, this.#used('producer_byte_rate', requestBytes))
    if (api !== Fetch && isAnswered) throttleMs = Math.max(throttleMs, this.#worked())
    return Math.min(throttleMs, longestMs)
  }

  end(): void {
    this.#isMetering = false
    this.#pause()
    if (this.#workedMs > 0) this.#countWork()
  }

  /** The most bytes that a fetch may return without being throttled for sure. */
  get mostToFetch(): number {
    const quota = this.#quota('consumer_byte_rate')
    const { samples, sampleMs } = this.#node.window
    return quota ? Math.max(1, Math.floor((quota.limit * (samples - 1) * sampleMs) / 1000)) : Number.POSITIVE_INFINITY
  }

  /**
   * Counts the bytes of an answer to a fetch. Returns whether it has to go out empty, and then the
   * bytes do not count. Records that alone are too many would never go out; so they do when nothing
   * else was fetched for a while.
   */
  mustFetchNothing(bytes: number): boolean {
    const quota = this.#quota('consumer_byte_rate')
    const now = this.#now()
    let isFirst = false
    this.#throttleMs = Math.max(this.#throttleMs, this.#worked())
    if (quota) {
      const rate = this.#node.rateOf('consumer_byte_rate', quota.sharedBy)
      isFirst = rate.measure(now) <= 0 && this.#throttleMs === 0
      rate.record(bytes, now)
      this.#throttleMs = Math.max(this.#throttleMs, rate.throttleMs(quota.limit, now))
      if (this.#throttleMs > 0 && !isFirst) rate.record(-bytes, now)
    }
    return this.#throttleMs > 0 && !isFirst
  }

  /**
   * Counts partitions that are created or deleted. Throws THROTTLING_QUOTA_EXCEEDED where too many
   * were before and the request is of a version that knows the error; else the client is throttled
   * only.
   */
  mutate(partitions: number, isStrict: boolean): void {
    const quota = this.#quota('controller_mutation_rate')
    if (!quota) return
    const bucket = this.#node.bucketOf(quota.sharedBy)
    const now = this.#now()
    const overdrawnMs = bucket.throttleMs(quota.limit, now)
    if (overdrawnMs > 0 && isStrict) {
      this.#throttleMs = Math.max(this.#throttleMs, overdrawnMs)
      const message = `More than ${quota.limit} partitions a second were created or deleted (controller_mutation_rate): try again in ${overdrawnMs} ms`
      throw new KafkaError('THROTTLING_QUOTA_EXCEEDED', message)
    }
    bucket.take(partitions, quota.limit, now)
    if (!isStrict) this.#throttleMs = Math.max(this.#throttleMs, bucket.throttleMs(quota.limit, now))
  }

  #now(): number {
    return this.#node.clock.monotonic()
  }

  #used(key: ClientQuotaKey, amount: number): number {
    const quota = this.#quota(key)
    if (!quota) return 0
    const now = this.#now()
    const rate = this.#node.rateOf(key, quota.sharedBy)
    rate.record(amount, now)
    return rate.throttleMs(quota.limit, now)
  }

  /**
   * Counts the time that the request took until now. A client waits for one sample of the window at
   * most.
   */
  #worked(): number {
    if (this.#since !== undefined) {
      const now = this.#now()
      this.#workedMs += now - this.#since
      this.#since = now
    }
    return Math.min(this.#countWork(), this.#node.window.sampleMs)
  }

  /** Counts the time that was not counted yet. Returns for how long the client has to wait. */
  #countWork(): number {
    // A hundredth of a second is one percent of a second.
    const throttleMs = this.#used('request_percentage', this.#workedMs / 10)
    this.#workedMs = 0
    return throttleMs
  }

  #quota(key: ClientQuotaKey): ApplyingQuota | undefined {
    const { quotas } = this.#node
    if (this.#version !== quotas.version) {
      this.#version = quotas.version
      this.#applying.clear()
    }
    if (!this.#applying.has(key)) this.#applying.set(key, quotas.applying(key, this.#user, this.#clientId))
    return this.#applying.get(key)
  }
}
