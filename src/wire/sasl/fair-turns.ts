type Act = () => Promise<void>

/**
 * Lets things be done one after the other, in turn by who asks: whoever asks for much waits for it,
 * and not the others.
 */
export class FairTurns {
  /** The requests of each address, in the order of their turns. */
  readonly #waiting = new Map<string, Act[]>()
  #isBusy = false

  inTurn<T>(who: string, act: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const wished = () => act().then(resolve, reject)
      const others = this.#waiting.get(who)
      if (others) others.push(wished)
      else this.#waiting.set(who, [wished])
      if (!this.#isBusy) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#isBusy = true
    for (let [next] = this.#waiting; next; [next] = this.#waiting) {
      const [who, acts] = next
      const act = acts.shift() as Act
      this.#waiting.delete(who)
      if (acts.length > 0) this.#waiting.set(who, acts)
      await act()
    }
    this.#isBusy = false
  }
}
