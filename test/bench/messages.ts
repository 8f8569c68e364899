/** How many different messages there are; longer runs send them again and again. */
export const windowSize = 1000
const keyCount = 97

export interface Message {
  readonly key: string
  readonly value: string
}

/** A thousand messages with a key of 97. A value begins with its number, so that who reads can tell whether all came, in order. */
export function messagesOf(valueBytes: number): Message[] {
  return Array.from({ length: windowSize }, (_, number) => {
    const start = String(number).padStart(3, '0')
    return {
      key: `user-${number % keyCount}`,
      value: (start + `${String.fromCharCode(97 + (number % 26))}bcdefgh `.repeat(valueBytes / 9 + 1)).slice(0, valueBytes)
    }
  })
}

/** Sees to it that records come in order, as sent, whole and complete. */
export class Inbox {
  readonly expected: number
  seen = 0
  #place = 0
  #keyBytes = 0
  #onDone: () => void = () => {}
  readonly done: Promise<void>

  constructor(expected: number) {
    this.expected = expected
    this.done = new Promise(resolve => (this.#onDone = resolve))
  }

  /** Takes note of the next record. */
  see(key: string, value: string): void {
    const number = (value.charCodeAt(0) - 48) * 100 + (value.charCodeAt(1) - 48) * 10 + value.charCodeAt(2) - 48
    if (number !== this.#place) this.#complain(value)
    this.#keyBytes += key.length
    this.#advance()
  }

  /** The same where the value is bytes, which begin at `start`, and the key may not have been looked at. */
  seeBytes(bytes: Uint8Array, start = 0): void {
    const number = (bytes[start] - 48) * 100 + (bytes[start + 1] - 48) * 10 + bytes[start + 2] - 48
    if (number !== this.#place) this.#complain(String.fromCharCode(...bytes.subarray(start, start + 12)))
    this.#advance()
  }

  get isDone(): boolean {
    return this.seen >= this.expected
  }

  #advance(): void {
    this.#place = this.#place === windowSize - 1 ? 0 : this.#place + 1
    if (++this.seen === this.expected) this.#onDone()
  }

  #complain(value: string): never {
    throw new Error(
      `Record ${this.seen} should begin with ${this.#place}, but it is \`${value.slice(0, 12)}…\` (after ${this.#keyBytes} bytes of keys)`
    )
  }
}

/** The same for several partitions and readers, who share it: the records of each key come in order. */
export class KeyedInbox {
  readonly expected: number
  seen = 0
  readonly #next = Array.from({ length: keyCount }, (_, key) => key)
  #onDone: () => void = () => {}
  readonly done: Promise<void>

  constructor(expected: number) {
    this.expected = expected
    this.done = new Promise(resolve => (this.#onDone = resolve))
  }

  see(key: string, value: string): void {
    const number = (value.charCodeAt(0) - 48) * 100 + (value.charCodeAt(1) - 48) * 10 + value.charCodeAt(2) - 48
    const place = number % keyCount
    if (number !== this.#next[place] || key.length < 6)
      throw new Error(`Of ${key} number ${this.#next[place]} should come, but it is ${number}`)
    this.#next[place] = number + keyCount < windowSize ? number + keyCount : place
    if (++this.seen === this.expected) this.#onDone()
  }

  get isDone(): boolean {
    return this.seen >= this.expected
  }
}
