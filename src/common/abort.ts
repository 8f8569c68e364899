interface Listening {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const listening = new WeakMap<AbortSignal, Listening>()

/**
 * Calls back when the signal aborts, which it has not done yet. Returns how to stop listening.
 * However many listen to a signal, it carries one listener of ours, and none once all have stopped:
 * Node takes more than ten for a leak.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const known = listening.get(signal) ?? listen(signal)
  // A function that is passed twice is called twice.
  const own = () => callback()
  known.callbacks.add(own)
  return () => {
    if (!known.callbacks.delete(own) || known.callbacks.size > 0) return
    signal.removeEventListener('abort', known.listener)
    listening.delete(signal)
  }
}

function listen(signal: AbortSignal): Listening {
  const callbacks = new Set<() => void>()
  const listener = () => {
    listening.delete(signal)
    const called = [...callbacks]
    callbacks.clear()
    for (const callback of called) callback()
  }
  const entry = { callbacks, listener }
  listening.set(signal, entry)
  signal.addEventListener('abort', listener, { once: true })
  return entry
}

/** A signal that aborts with the first of several, until `end` is called. */
export interface MergedSignal {
  readonly signal: AbortSignal
  /** Stops listening to the others. */
  end(): void
}

/**
 * Merges signals. `AbortSignal.any` would do, but lets long-lived signals collect what was merged
 * with them.
 */
export function firstToAbort(...signals: readonly (AbortSignal | undefined)[]): MergedSignal & { abort(reason: unknown): void } {
  const controller = new AbortController()
  const ends: (() => void)[] = []
  for (const signal of signals) {
    if (signal?.aborted) controller.abort(signal.reason)
    else if (signal) ends.push(onAbort(signal, () => controller.abort(signal.reason)))
  }
  return {
    signal: controller.signal,
    abort: reason => controller.abort(reason),
    end() {
      for (const end of ends.splice(0)) end()
    }
  }
}
