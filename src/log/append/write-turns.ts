import type { MaybePromise } from '../../common/deferred.js'

/**
 * Writes that are under way. Each takes effect in its turn: after those before it, and only if they
 * all succeeded.
 */
export class WriteTurns {
  #last: Promise<boolean> | undefined

  get areOver(): boolean {
    return this.#last === undefined
  }

  /** Tells, when the writes under way have settled, whether all succeeded; absent without any. */
  get outcome(): Promise<boolean> | undefined {
    return this.#last
  }

  /** Resolves when the writes that are under way now have settled; never rejects. */
  async settled(): Promise<void> {
    await this.#last
  }

  /**
   * Calls `effect` in the turn of this write, telling whether it and all before it succeeded, and
   * resolves to that.
   */
  take(writing: MaybePromise<void>, onFailure: (cause: unknown) => void, effect: (ok: boolean) => void): Promise<boolean> {
    const succeeded = Promise.resolve(writing).then(
      () => true,
      cause => {
        onFailure(cause)
        return false
      }
    )
    const turn = takeEffect(succeeded, this.#last, effect)
    this.#last = turn
    void turn.then(() => {
      if (this.#last === turn) this.#last = undefined
    })
    return turn
  }
}

async function takeEffect(
  succeeded: Promise<boolean>,
  before: Promise<boolean> | undefined,
  effect: (ok: boolean) => void
): Promise<boolean> {
  const allBefore = before ? await before : true
  const ok = (await succeeded) && allBefore
  effect(ok)
  return ok
}
