/** One partition of one topic, from the topic's creation to its deletion, and what is known to stand in it. */
export class Line {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Whether its topic is still there. */
  isCurrent = true
  /** What was acknowledged. */
  readonly acknowledged = new Set<number>()
  readonly #values = new Map<number, string>()
  readonly #offsets = new Map<string, number>()

  constructor(topic: string, topicId: string, partition: number) {
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
  }

  get name(): string {
    return `${this.topic}-${this.partition}`
  }

  /** Notes that a value stands at an offset. Returns what is wrong with that, if anything. */
  saw(offset: number, value: string): string | undefined {
    const before = this.#values.get(offset)
    const place = this.#offsets.get(value)
    this.#values.set(offset, value)
    this.#offsets.set(value, offset)
    if (before !== undefined && before !== value) return `${value} stands at ${offset} of ${this.name}, where ${before} stood`
    if (place !== undefined && place !== offset) return `${value} stands at ${place} and at ${offset} of ${this.name}`
    return undefined
  }

  /** Undefined while it is not known. */
  keyAt(offset: number): string | undefined {
    return this.#values.get(offset)?.split('|')[0]
  }

  get seenOffsets(): Iterable<number> {
    return this.#values.keys()
  }
}

/** All that was sent and is known to be somewhere. */
export class Truth {
  readonly #lines = new Map<string, Line>()
  readonly #ids = new Map<string, string>()

  topicCreated(topic: string, topicId: string): void {
    this.#ids.set(topic, topicId)
  }

  topicDeleted(topicId: string): void {
    for (const line of this.#lines.values()) if (line.topicId === topicId) line.isCurrent = false
  }

  line(topicId: string, topic: string, partition: number): Line {
    const key = `${topicId}/${partition}`
    let line = this.#lines.get(key)
    if (!line) {
      line = new Line(topic, topicId, partition)
      line.isCurrent = this.#ids.get(topic) === topicId
      this.#lines.set(key, line)
    }
    return line
  }

  /** That of the topic that has the name now. */
  lineNow(topic: string, partition: number): Line {
    return this.line(this.#ids.get(topic) as string, topic, partition)
  }

  get currentLines(): Line[] {
    return [...this.#lines.values()].filter(({ isCurrent }) => isCurrent)
  }
}
