/**
 * Time and turns of the machine. They are real also where a test runner has put fake ones into the
 * place of the global functions, before this module was loaded or after: a fake timer may never be
 * advanced, or be thrown away, and whoever waits for it then waits for ever.
 *
 * So everything is taken once, when this module loads. If it is fake by then, the real one is found
 * behind it, or the same is done by means that nobody replaces.
 */

type AnyFunction = (...args: never[]) => unknown
type Callback = () => void

interface Host {
  readonly process?: { getBuiltinModule?(name: string): Record<string, unknown> | undefined }
  readonly performance?: TimeSource
  readonly Event?: new (type: string) => { readonly timeStamp: number }
  readonly MessageChannel?: new () => { readonly port1: Port; readonly port2: Port }
}

interface TimeSource {
  now?(): number
}

interface Port {
  onmessage: Callback | null
  postMessage(message: unknown): void
  ref?(): void
  unref?(): void
}

const { process, performance, Event, MessageChannel } = globalThis as unknown as Host

/** Loads a module of Node, without an import that other platforms would refuse. */
function nodeModule(name: string): Record<string, unknown> | undefined {
  try {
    return process?.getBuiltinModule?.(name)
  } catch {
    return undefined
  }
}

/** Makes the host refuse to transfer a piece of memory, where it can. */
export const markAsUntransferable: ((memory: ArrayBufferLike) => void) | undefined = nodeModule('node:worker_threads')
  ?.markAsUntransferable as never

/** A function of the host that is not a fake, or undefined. */
function real(name: string, ...owners: (object | undefined)[]): AnyFunction | undefined {
  for (const owner of owners) {
    let found = (owner as Record<string, unknown> | undefined)?.[name] as FakeFunction | undefined
    // Sinon's fakes, which vitest and Jest use too, carry a clock that keeps what they replaced.
    for (let depth = 0; typeof found === 'function' && depth < 10; depth++) {
      if (isReal(found, name)) return found
      found = found.clock?.[`_${name}`] as FakeFunction | undefined
    }
  }
  return undefined
}

interface FakeFunction extends AnyFunction {
  readonly clock?: Record<string, unknown>
}

/** Fakes are nameless or bound functions: what hosts have shows its name. */
function isReal(found: AnyFunction, name: string): boolean {
  return Function.prototype.toString.call(found).startsWith(`function ${name}(`) && !('clock' in found)
}

/** A clock that stands still while it is looked at many times is a fake. */
const mostLooks = 20_000

function runs(read: () => number): boolean {
  const first = read()
  for (let looks = 0; looks < mostLooks; looks++) if (read() > first) return true
  return false
}

function clocks(): (() => number)[] {
  const found: (() => number)[] = []
  for (const source of [nodeModule('node:perf_hooks')?.performance as TimeSource | undefined, performance]) {
    if (!source) continue
    const now = (Object.getPrototypeOf(source) as TimeSource | null)?.now ?? source.now
    if (typeof now === 'function') found.push(() => now.call(source))
  }
  if (Event) found.push(() => new Event('').timeStamp)
  return found
}

function dateThatNeverGoesBack(): () => number {
  let latest = Date.now()
  return () => (latest = Math.max(latest, Date.now()))
}

const candidates = clocks()

/** Milliseconds that never go back, with fractions, since about when the process started. */
export const monotonic: () => number = candidates.find(runs) ?? candidates[0] ?? dateThatNeverGoesBack()

/**
 * Timers that fire once, after about so many milliseconds: at most 2^31 - 1, and perhaps a little
 * early.
 */
export interface HostTimers {
  set(callback: Callback, delayMs: number, keepAlive: boolean): unknown
  clear(handle: unknown): void
}

const timersModule = nodeModule('node:timers')

function realTimers(): HostTimers | undefined {
  const set = real('setTimeout', timersModule, globalThis) as ((callback: Callback, delayMs: number) => Handle) | undefined
  const clear = real('clearTimeout', timersModule, globalThis) as ((handle: unknown) => void) | undefined
  if (!set || !clear) return undefined
  return {
    set(callback, delayMs, keepAlive) {
      const handle = set(callback, delayMs)
      if (!keepAlive) handle.unref?.()
      return handle
    },
    // Browsers refuse it as a method of another object.
    clear: handle => clear(handle)
  }
}

interface Handle {
  unref?(): void
}

type WaitAsync = (
  cells: Int32Array,
  index: number,
  value: number,
  timeoutMs: number
) => { readonly value: Promise<'ok' | 'timed-out' | 'not-equal'> }

/**
 * Waits for a cell of memory that nobody changes, which has a time limit and is no timer of the
 * platform's.
 */
function waitingTimers(): HostTimers | undefined {
  const { waitAsync, notify } = Atomics as unknown as { readonly waitAsync?: WaitAsync; readonly notify: typeof Atomics.notify }
  if (!waitAsync || typeof SharedArrayBuffer !== 'function') return undefined
  const holder = new Holder()
  return {
    set(callback, delayMs, keepAlive) {
      const cells = new Int32Array(new SharedArrayBuffer(4))
      if (keepAlive) holder.hold()
      // A wait that is over at once answers without a promise.
      void Promise.resolve(waitAsync(cells, 0, 0, delayMs).value).then(outcome => {
        if (keepAlive) holder.release()
        if (outcome === 'timed-out') callback()
      })
      return cells
    },
    clear: handle => void notify(handle as Int32Array, 0)
  }
}

/** Keeps the process alive while somebody needs that, where no timer does. */
class Holder {
  #port: Port | undefined
  #holders = 0

  hold(): void {
    if (++this.#holders > 1) return
    this.#port ??= this.#open()
    this.#port?.ref?.()
  }

  release(): void {
    if (--this.#holders === 0) this.#port?.unref?.()
  }

  #open(): Port | undefined {
    if (!MessageChannel) return undefined
    const { port1 } = new MessageChannel()
    port1.onmessage = () => {}
    return port1
  }
}

function anyTimers(): HostTimers {
  const { setTimeout, clearTimeout } = globalThis
  return {
    set(callback, delayMs, keepAlive) {
      const handle = setTimeout(callback, delayMs)
      if (!keepAlive) (handle as Handle).unref?.()
      return handle
    },
    clear: handle => clearTimeout(handle as ReturnType<typeof setTimeout>)
  }
}

export const hostTimers: HostTimers = realTimers() ?? waitingTimers() ?? anyTimers()

function messageLoop(): ((callback: Callback) => void) | undefined {
  if (!MessageChannel) return undefined
  // Two in turn: one alone may deliver what is posted to it meanwhile before anything else gets to
  // run.
  const channels = [new MessageChannel(), new MessageChannel()]
  const callbacks: Callback[] = []
  const holder = new Holder()
  for (const { port1 } of channels) {
    port1.onmessage = () => {
      holder.release()
      callbacks.shift()?.()
    }
    port1.unref?.()
  }
  let next = 0
  return callback => {
    holder.hold()
    callbacks.push(callback)
    channels[next].port2.postMessage(0)
    next = 1 - next
  }
}

/** Calls back after sockets, files and timers have had their turn in the event loop. */
export const afterLoop: (callback: Callback) => void =
  (real('setImmediate', timersModule, globalThis) as ((callback: Callback) => void) | undefined) ??
  messageLoop() ??
  (callback => void hostTimers.set(callback, 0, true))

const done = Promise.resolve()

/** Calls back as soon as the code that is running now has come to its end. */
export const microtask: (callback: Callback) => void =
  (real('queueMicrotask', globalThis) as ((callback: Callback) => void) | undefined) ?? (callback => void done.then(callback))

function afterHops(callback: Callback, hops: number): void {
  done.then(() => (hops > 1 ? afterHops(callback, hops - 1) : callback()))
}

const nextTick = real('nextTick', nodeModule('node:process'), process) as ((callback: Callback) => void) | undefined

/**
 * Calls back when no promise has anything left to do; where the platform cannot tell, after a few
 * of them have.
 */
export const afterPromises: (callback: Callback) => void = nextTick ?? (callback => afterHops(callback, 8))
