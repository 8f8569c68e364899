/** A client over the wire, as its connection shows it. */
export interface RemoteClient {
  readonly clientId: string
  readonly clientHost: string
  /** Stands for its connection. */
  readonly connection: object
}

/** The last fetch of a partition by a client over the wire. */
export interface RemoteReading {
  readonly client: RemoteClient
  offset: number
  /** Until when it counts as one that reads, on the monotonic clock. */
  until: number
}

/**
 * The most connections that are remembered per partition; the one that fetched longest ago gives
 * way.
 */
const mostReadings = 1000

/**
 * The clients that fetch one partition over the wire. A client that was silent for a while no
 * longer counts.
 */
export class RemoteReaders {
  /** The one that has fetched longest ago first. */
  readonly #readings = new Map<object, RemoteReading>()

  /** Notes a fetch from `offset` on. Returns whether that is another offset than before. */
  fetches(client: RemoteClient, offset: number, until: number): boolean {
    const { connection } = client
    const known = this.#readings.get(connection)
    this.#readings.delete(connection)
    this.#readings.set(connection, known ?? { client, offset, until })
    if (this.#readings.size > mostReadings) for (const [oldest] of this.#readings) return this.#readings.delete(oldest)
    if (!known) return true
    const hasMoved = known.offset !== offset
    known.offset = offset
    known.until = until
    return hasMoved
  }

  /** The clients that count at this time; others are forgotten. */
  current(now: number): RemoteReading[] {
    const current: RemoteReading[] = []
    for (const [connection, reading] of this.#readings) {
      if (reading.until > now) current.push(reading)
      else this.#readings.delete(connection)
    }
    return current
  }
}

/** The key of a client in maps, however many connections it has. */
export function identityOf({ clientId, clientHost }: { readonly clientId: string; readonly clientHost: string }): string {
  return `${clientHost} ${clientId}`
}
