import type { Clock, Timer } from '../common/clock.js'
import { Emitter } from '../common/emitter.js'
import { isLackOfRoom } from '../log/lack-of-room.js'
import type { BrokerEvents } from './events.js'

type EventOf<N extends keyof BrokerEvents> = Parameters<BrokerEvents[N]>[0]

/** The events of a node. Those of its opening wait until whoever opens it can have listened. */
export class BrokerNews {
  readonly events: Emitter<BrokerEvents> = new NodeEvents()
  readonly #told = new WeakSet<object>()
  #waiting: (() => void)[] | undefined = []
  #timer: Timer | undefined
  #clock: Clock | undefined
  #lackedRoomAt = Number.NEGATIVE_INFINITY

  tell<N extends keyof BrokerEvents>(name: N, event: EventOf<N>): void {
    const emit = () => void (this.events.emit as (name: N, event: EventOf<N>) => boolean).call(this.events, name, event)
    if (this.#waiting) this.#waiting.push(emit)
    else emit()
  }

  /**
   * Tells of a failure; once per error: a log whose storage failed answers every write with the
   * same one. That a disk is full is told once, until a write succeeds where there was no room, or
   * none has failed for a minute.
   */
  readonly failed = (error: unknown, during: string): void => {
    if (isLackOfRoom(error)) {
      const now = this.#clock?.monotonic() ?? 0
      const isKnown = now < this.#lackedRoomAt + quietMs
      this.#lackedRoomAt = now
      if (isKnown) return
    }
    if (typeof error === 'object' && error !== null) {
      if (this.#told.has(error)) return
      this.#told.add(error)
    }
    this.tell('error', { error, during })
  }

  readonly foundRoom = (): void => {
    this.#lackedRoomAt = Number.NEGATIVE_INFINITY
  }

  /** The node is open: what waits is told in a moment. */
  open(clock: Clock): void {
    this.#clock = clock
    if (this.#waiting?.length === 0) this.#waiting = undefined
    else this.#timer = clock.setTimer(0, () => this.close())
  }

  /** Tells what still waits. */
  close(): void {
    this.#timer?.cancel()
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting) for (const emit of waiting) emit()
  }
}

const quietMs = 60_000

class NodeEvents extends Emitter<BrokerEvents> {
  protected override errorArgs(error: unknown, who: string): Parameters<BrokerEvents['error']> {
    return [{ error, during: who }]
  }
}
