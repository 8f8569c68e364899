/** The marks of calls that may be under way, by the names of their functions. */
const marks = new Map<string, CallMark>()
let count = 0

/**
 * Finds out whether code runs inside of a call that is awaited here: called by it, or going on
 * after an `await` in it. Whoever closes a consumer within one of its own handlers, and waits for
 * that, would wait for itself.
 *
 * It rests on stack traces, which costs nothing until it is asked: the marked function has a name
 * of its own, and shows in the trace of everything that it awaits. What was put off to a timer or
 * to an event is not found.
 */
export class CallMark {
  /** The object that would wait for the call. */
  readonly owner: object
  readonly #name: string
  #calls = 0

  constructor(owner: object) {
    this.owner = owner
    this.#name = `millrace call ${++count}`
  }

  /** Marks an async function, which has to await what is to be found. */
  on<F extends (...args: never[]) => Promise<unknown>>(act: F): F {
    return Object.defineProperty(act, 'name', { value: this.#name })
  }

  get isCalled(): boolean {
    return this.#calls > 0
  }

  /** There may be calls from now on, until `end`. */
  begin(): void {
    this.#calls++
    marks.set(this.#name, this)
  }

  /** There are no more of those calls. */
  end(): void {
    if (--this.#calls === 0) marks.delete(this.#name)
  }

  /** The marks of the calls that the running code is inside of. */
  static running(): ReadonlySet<CallMark> {
    const running = new Set<CallMark>()
    for (const name of marks.size > 0 ? callers() : []) {
      const mark = marks.get(name)
      if (mark) running.add(mark)
    }
    return running
  }

  /** True if the running code is inside of a call that one of these would wait for. */
  static isInside(isOwner: (owner: object) => boolean): boolean {
    for (const { owner } of CallMark.running()) if (isOwner(owner)) return true
    return false
  }
}

/** The most frames that are looked at. */
const mostFrames = 200

interface Frame {
  getFunctionName?(): string | null
}

interface Traces {
  stackTraceLimit?: number
  prepareStackTrace?: ((error: Error, frames: readonly Frame[]) => unknown) | undefined
  captureStackTrace?(target: object): void
}

/** The names of the functions that the running code was called by, or that await it. */
function callers(): readonly string[] {
  const traces = Error as unknown as Traces
  const { stackTraceLimit, prepareStackTrace } = traces
  try {
    traces.stackTraceLimit = mostFrames
    traces.prepareStackTrace = (_, frames) => frames.map(frame => frame.getFunctionName?.() ?? '')
    const target: { stack?: unknown } = {}
    traces.captureStackTrace?.(target)
    const names = target.stack
    traces.stackTraceLimit = stackTraceLimit
    traces.prepareStackTrace = prepareStackTrace
    return Array.isArray(names) ? names : []
  } catch {
    // Traces tell nothing where the host does not let us change them.
    return []
  }
}
