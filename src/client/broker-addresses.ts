import type { Brokers } from '../protocol/broker.js'

/** The parts of an answer that say where a broker is. */
type Address = Parameters<NonNullable<Brokers['learn']>>[0][number]

const known = new WeakMap<Brokers, BrokerAddresses>()

/**
 * Passes on where brokers are, as answers of several kinds tell it. Answers count in the order in
 * which they were asked for: one that comes late would lead back to an address that a broker has
 * left, and end what is under way to the new one.
 */
export class BrokerAddresses {
  readonly #brokers: Brokers
  #askedCount = 0
  /** By node: the latest question whose answer told of it. */
  readonly #told = new Map<number, number>()

  /** Use `addressesOf`. */
  constructor(brokers: Brokers) {
    this.#brokers = brokers
  }

  /** A question is asked whose answer will tell. Returns its number. */
  ask(): number {
    return ++this.#askedCount
  }

  /** The answer to a question has come. */
  told(question: number, addresses: readonly Address[]): void {
    const news = addresses.filter(({ nodeId }) => question > (this.#told.get(nodeId) ?? 0))
    for (const { nodeId } of news) this.#told.set(nodeId, question)
    if (news.length > 0) this.#brokers.learn?.(news)
  }
}

/** The addresses that one client learns; whoever asks for it shares them. */
export function addressesOf(brokers: Brokers): BrokerAddresses {
  let addresses = known.get(brokers)
  if (!addresses) known.set(brokers, (addresses = new BrokerAddresses(brokers)))
  return addresses
}
