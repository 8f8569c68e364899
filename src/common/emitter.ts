import { EventEmitter } from 'eventemitter3'
import { tellRejection } from './foreign.js'
import { didYouMean, expectFunction } from './options.js'
import { reasonOf, Warnings } from './warnings.js'

type Listener<E extends EventEmitter.ValidEventTypes, N extends EventEmitter.EventNames<E>> = EventEmitter.EventListener<E, N>
type AnyListener = (this: unknown, ...args: never[]) => unknown

const done = Promise.resolve()

/**
 * An emitter whose listeners cannot harm whoever emits. They are called a moment later, in order
 * and before anybody who waits for a promise of that moment: nothing is half done then, so they may
 * call whatever they like. What a listener throws, or rejects with, becomes an `error` event; where
 * nobody listens to that, or it was a listener of `error`, a warning of the process.
 *
 * Listening with what is no function throws a `TypeError`; for an event that there is not, the
 * process gets a warning.
 */
export abstract class Emitter<E extends EventEmitter.ValidEventTypes> extends EventEmitter<E> {
  readonly #guards = new WeakMap<AnyListener, AnyListener>()
  readonly #guarded = new WeakMap<AnyListener, AnyListener>()
  readonly #warnings = new Warnings()
  readonly #names: readonly string[] | undefined
  #waiting: { readonly event: EventEmitter.EventNames<E>; readonly args: unknown[] }[] = []
  /** The event that is being told. */
  #current: PropertyKey = ''

  /** `names` are the events that there are. Default: any. */
  constructor(names?: readonly string[]) {
    super()
    this.#names = names
  }

  /** Tells an event a moment later. Returns whether anybody listens. */
  override emit<N extends EventEmitter.EventNames<E>>(event: N, ...args: EventEmitter.EventArgs<E, N>): boolean {
    if (this.listenerCount(event) === 0) return false
    if (this.#waiting.push({ event, args }) === 1) void done.then(() => this.#tellWaiting())
    return true
  }

  override on<N extends EventEmitter.EventNames<E>>(event: N, listener: Listener<E, N>, context?: unknown): this {
    this.#expectEvent(event, listener)
    return super.on(event, this.#guard(listener), context)
  }

  override addListener<N extends EventEmitter.EventNames<E>>(event: N, listener: Listener<E, N>, context?: unknown): this {
    return this.on(event, listener, context)
  }

  override once<N extends EventEmitter.EventNames<E>>(event: N, listener: Listener<E, N>, context?: unknown): this {
    this.#expectEvent(event, listener)
    return super.once(event, this.#guard(listener), context)
  }

  override off<N extends EventEmitter.EventNames<E>>(event: N, listener?: Listener<E, N>, context?: unknown, once?: boolean): this {
    return super.off(event, listener && this.#guard(listener), context, once)
  }

  override removeListener<N extends EventEmitter.EventNames<E>>(
    event: N,
    listener?: Listener<E, N>,
    context?: unknown,
    once?: boolean
  ): this {
    return this.off(event, listener, context, once)
  }

  override listeners<N extends EventEmitter.EventNames<E>>(event: N): Listener<E, N>[] {
    return super.listeners(event).map(guard => this.#guarded.get(guard as AnyListener) as Listener<E, N>)
  }

  /**
   * Tells what code of the user's threw, or rejected with. `who` is that code, "`onAssigned`" for
   * instance.
   */
  protected tellFailure(error: unknown, who: string): void {
    if (this.#emitError(error, who)) return
    this.#warn(error, who)
  }

  /** The arguments of the `error` event that tells of it. */
  protected abstract errorArgs(error: unknown, who: string): unknown[]

  #expectEvent(event: unknown, listener: unknown): void {
    expectFunction('listener', listener)
    if (this.#names === undefined || this.#names.includes(event as string)) return
    const text = `There is no event \`${String(event)}\`; ${didYouMean(String(event), this.#names)}there are ${this.#names.join(', ')}`
    this.#warnings.warn(text, 'UNKNOWN_EVENT')
  }

  #emitError(error: unknown, who: string): boolean {
    const emit = this.emit as (event: string, ...args: unknown[]) => boolean
    return emit.call(this, 'error', ...this.errorArgs(error, who))
  }

  #warn(error: unknown, who: string): void {
    this.#warnings.warn(`During ${who}: ${reasonOf(error)}`, 'LISTENER_FAILED', error)
  }

  #tellWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    const emit = super.emit as (event: unknown, ...args: unknown[]) => boolean
    for (const { event, args } of waiting) {
      this.#current = event
      emit.call(this, event, ...args)
    }
  }

  #guard<L>(listener: L): L {
    if (typeof listener !== 'function') return listener
    const given = listener as unknown as AnyListener
    // The base class removes by what it holds.
    if (this.#guarded.has(given)) return listener
    const known = this.#guards.get(given)
    if (known) return known as L
    const tell = (event: PropertyKey, error: unknown) => this.#listenerFailed(event, error)
    const current = () => this.#current
    const guard: AnyListener = function (...args) {
      const event = current()
      try {
        tellRejection(given.apply(this, args), error => tell(event, error))
      } catch (error) {
        tell(event, error)
      }
    }
    this.#guards.set(given, guard)
    this.#guarded.set(guard, given)
    return guard as L
  }

  #listenerFailed(event: PropertyKey, error: unknown): void {
    const who = `a listener of \`${String(event)}\``
    if (event === 'error' || !this.#emitError(error, who)) this.#warn(error, who)
  }
}
