import type { GroupConnection } from '../../client/group-connection.js'
import type { Clock, Timer } from '../../common/clock.js'
import { KafkaError } from '../../errors.js'
import { Heartbeat } from '../../protocol/messages/heartbeat.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { Committing } from '../offsets/committer.js'

export interface HeartbeatsOwner {
  identity(): Committing
  onError(error: KafkaError, sent: Committing): void
  /**
   * True if the user has had something in hand for too long. `missedMs` is how much too late the
   * question comes.
   */
  isStuck(missedMs: number): boolean
  onStuck(): void
}

export interface HeartbeatsContext {
  readonly coordinator: GroupConnection
  readonly clock: Clock
  readonly settings: ConsumerSettings
}

/**
 * Tells the group at intervals that this member is alive; the answers tell the member when the
 * group rebalances.
 */
export class Heartbeats {
  readonly #context: HeartbeatsContext
  readonly #owner: HeartbeatsOwner
  #timer: Timer | undefined
  #sending: AbortController | undefined
  #lastAnswerAt = 0
  /** Something happened since the last one was sent: the next follows at once. */
  #isHurried = false
  #isStopped = false

  constructor(context: HeartbeatsContext, owner: HeartbeatsOwner) {
    this.#context = context
    this.#owner = owner
  }

  resume(): void {
    this.pause()
    if (this.#isStopped) return
    this.#lastAnswerAt = this.#context.clock.monotonic()
    if (this.#isHurried) void this.#beat()
    else this.#schedule()
  }

  pause(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#sending?.abort(new KafkaError('CLOSED'))
    this.#sending = undefined
  }

  stop(): void {
    this.#isStopped = true
    this.pause()
  }

  /** Asks at once, because there is reason to think that the group rebalances. */
  hurry(): void {
    this.#isHurried = true
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#timer = undefined
    void this.#beat()
  }

  #schedule(): void {
    const { clock, settings } = this.#context
    const dueAt = clock.monotonic() + settings.heartbeatIntervalMs
    const beat = () => {
      this.#timer = undefined
      void this.#beat(clock.monotonic() - dueAt)
    }
    this.#timer = clock.setTimer(settings.heartbeatIntervalMs, beat)
  }

  async #beat(missedMs = 0): Promise<void> {
    if (this.#owner.isStuck(missedMs)) return this.#owner.onStuck()
    const { coordinator, clock, settings } = this.#context
    const sending = new AbortController()
    this.#sending = sending
    this.#isHurried = false
    const sent = this.#owner.identity()
    try {
      const { groupId } = coordinator
      const { errorCode } = await coordinator.ask(Heartbeat, { groupId, ...sent }, sending.signal)
      if (sending.signal.aborted) return
      if (errorCode === 0) this.#lastAnswerAt = clock.monotonic()
      else this.#owner.onError(KafkaError.fromNumber(errorCode), sent)
    } catch {
      // The coordinator is out of reach: it has been forgotten, so that the next one is looked for.
      // Joining again tells if it lasts.
      if (sending.signal.aborted) return
    }
    if (clock.monotonic() - this.#lastAnswerAt >= settings.sessionTimeoutMs) coordinator.forget()
    if (this.#sending !== sending) return
    this.#sending = undefined
    if (this.#isHurried) void this.#beat()
    else this.#schedule()
  }
}
