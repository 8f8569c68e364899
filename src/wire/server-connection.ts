import type { Socket } from 'node:net'
import { onAbort } from '../common/abort.js'
import { type Clock, sleep } from '../common/clock.js'
import type { Turns } from '../common/turns.js'
import { KafkaError } from '../errors.js'
import type { Api } from '../protocol/message.js'
import { ConditionalAppend } from '../protocol/messages/conditional-append.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { JoinGroup } from '../protocol/messages/join-group.js'
import { Produce } from '../protocol/messages/produce.js'
import { SyncGroup } from '../protocol/messages/sync-group.js'
import type { ByteBudget } from './byte-budget.js'
import { FrameReader } from './frame.js'
import { type Answer, never, RequestServer, type ServingContext } from './request-server.js'
import { SocketWriter } from './socket-writer.js'

/** The parts of a listener that a connection needs. */
export interface ConnectionContext extends ServingContext {
  readonly budget: ByteBudget
  /** For all connections together that have not proved who they are: a small part of the other. */
  readonly strangersBudget: ByteBudget
  readonly maxRequestBytes: number
  readonly clock: Clock
  readonly turns: Turns
}

/**
 * So much of a frame, or 64 KiB, has to come within the time that a client may stall: one byte now
 * and then is no progress.
 */
const progressShare = 1 / 64

/**
 * Requests and answers below this size are not counted: a connection reads no more than that ahead.
 */
const smallMessage = 64 * 1024

/**
 * The largest request of a client that is not authenticated: as Kafka's
 * `sasl.server.max.receive.size`.
 */
const largestOfStrangers = 512 * 1024

/** Answers that wait for something to happen; when the listener closes they are not waited for. */
const parked: readonly (Api | undefined)[] = [Fetch, JoinGroup, SyncGroup]

/**
 * One client's connection. Requests are taken one at a time, as Kafka does, so answers leave in
 * order and a request never overtakes the one before; while one is answered, no more is read than
 * has arrived.
 *
 * Size: reading, answering and writing share one socket, and any of them can end it.
 */
export class ServerConnection {
  readonly id: number
  readonly clientHost: string
  readonly socket: Socket
  readonly #context: ConnectionContext
  readonly #server: RequestServer
  readonly #frames: FrameReader
  readonly #writer: SocketWriter
  readonly #abort = new AbortController()
  readonly #waiting: { readonly frame: Uint8Array; readonly reserved: number; readonly from: ByteBudget }[] = []
  /**
   * Bytes taken from the budget for the request that is arriving, and for the one that is answered.
   */
  #reserved = 0
  #reservedFrom: ByteBudget
  #held = 0
  #heldFrom: ByteBudget
  /** The number of bytes of the frame that had arrived at the last progress. */
  #markedBytes = 0
  #asking: (() => void) | undefined
  #busy = false
  #hanging = false
  #muted = false
  #hasHeard = false
  #ended = false
  #closing = false
  #reason: KafkaError | undefined
  #lastProgress: number

  /**
   * `onClose` is called once, with the reason for which the connection was ended from here, if it
   * was.
   */
  constructor(id: number, socket: Socket, context: ConnectionContext, onClose: (reason: KafkaError | undefined) => void) {
    this.id = id
    this.socket = socket
    this.clientHost = clientHostOf(socket)
    this.#context = context
    this.#reservedFrom = this.#heldFrom = context.budget
    const { maxRequestBytes, frameMemory, authentication } = context
    const maxBytes = () => (authentication.isComplete ? maxRequestBytes : Math.min(maxRequestBytes, largestOfStrangers))
    this.#frames = new FrameReader(maxBytes, frameMemory)
    this.#lastProgress = context.clock.monotonic()
    this.#writer = new SocketWriter(socket, () => this.#progress())
    const { signal } = this.#abort
    this.#server = new RequestServer(context, {
      connectionId: id,
      clientHost: this.clientHost,
      signal,
      room: () => this.#room(),
      hold: bytes => this.#hold(bytes)
    })
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#take(chunk))
    socket.on('end', () => this.#end(undefined))
    socket.on('close', () => {
      this.#end(undefined)
      onClose(this.#reason)
    })
    socket.on('error', error => this.#end(new KafkaError('NETWORK_EXCEPTION', `The connection failed: ${error.message}`, { cause: error })))
  }

  /** The time at which something was last received or taken by the client. */
  get lastProgress(): number {
    return this.#lastProgress
  }

  /**
   * True if the client owes something: the rest of a request, a proof of who it is, or taking its
   * answer.
   */
  get isOwed(): boolean {
    if (this.#ended || this.#writer.isWaiting) return true
    return !this.#busy && !this.#asking && (this.#frames.midFrame || !this.#context.authentication.isComplete)
  }

  /** True if the node owes something, so that the client is right to be silent. */
  get isBusy(): boolean {
    return this.#busy
  }

  /**
   * Ends the connection; the answer that is being made goes out first, unless it waits for
   * something to happen.
   */
  close(): void {
    this.#closing = true
    this.socket.pause()
    const { current } = this.#server
    if (!this.#busy || this.#hanging || this.#muted || parked.includes(current)) this.#end(undefined)
    // Batches that are held until readers have made room are answered now; one that is being
    // written is not affected.
    else if (current === Produce || current === ConditionalAppend)
      this.#abort.abort(new KafkaError('REQUEST_TIMED_OUT', 'The listener closes'))
  }

  /** Ends the connection now. */
  destroy(reason: KafkaError): void {
    this.#end(reason)
    this.socket.destroy()
  }

  #take(chunk: Uint8Array): void {
    if (this.#ended) return
    if (!this.#hasHeard && isTlsHandshake(chunk)) {
      this.#end(new KafkaError('INVALID_REQUEST', 'The client speaks TLS, and this port does not (`tls`)'))
      return
    }
    this.#hasHeard = true
    try {
      for (const frame of this.#frames.push(chunk)) {
        this.#waiting.push({ frame, reserved: this.#reserved, from: this.#reservedFrom })
        this.#reserved = 0
        this.#progress()
      }
    } catch (error) {
      this.#end(error as KafkaError)
      return
    }
    this.#noteArrival()
    const { heldBytes } = this.#frames
    if (heldBytes > smallMessage && heldBytes > this.#reserved) this.#reserve(heldBytes - this.#reserved)
    if (this.#waiting.length > 0 && !this.#busy) void this.#work()
    if (this.#busy) this.socket.pause()
  }

  #noteArrival(): void {
    const { arrivedBytes, pendingSize, midFrame } = this.#frames
    const isNew = arrivedBytes < this.#markedBytes
    if (midFrame && !isNew && arrivedBytes - this.#markedBytes < Math.min(smallMessage, pendingSize * progressShare)) return
    this.#markedBytes = arrivedBytes
    this.#progress()
  }

  /** Takes room for what has arrived of a large request; reads no further until there is some. */
  #reserve(bytes: number): void {
    const granted = () => {
      this.#asking = undefined
      this.#reserved += bytes
      this.#progress()
      if (!this.#busy) this.socket.resume()
    }
    const { authentication, budget, strangersBudget } = this.#context
    if (this.#reserved === 0) this.#reservedFrom = authentication.isComplete ? budget : strangersBudget
    const from = this.#reservedFrom
    if (this.#reserved > 0 ? from.grow(bytes, this, granted) : from.take(bytes, granted)) {
      this.#reserved += bytes
      return
    }
    this.#asking = granted
    this.socket.pause()
  }

  async #work(): Promise<void> {
    this.#busy = true
    while (!this.#ended && !this.#closing) {
      const next = this.#waiting.shift()
      if (!next) break
      this.#held = next.reserved
      this.#heldFrom = next.from
      try {
        const turn = this.#context.turns.yieldWhenCalled()
        if (turn) await turn
        if (this.#ended) break
        const answer = await this.#server.answer(next.frame)
        if (answer === never) await this.#hang()
        else if (answer) await this.#send(answer)
      } catch (error) {
        this.#end(error instanceof KafkaError ? error : new KafkaError('UNKNOWN_SERVER_ERROR', 'A request failed', { cause: error }))
      } finally {
        this.#release()
      }
    }
    this.#busy = false
    if (this.#closing) this.#end(undefined)
    if (!this.#ended && !this.#asking) this.socket.resume()
  }

  async #send({ pieces, sent, muteMs = 0, end }: Answer): Promise<void> {
    let length = 0
    for (const piece of pieces) length += piece.length
    const counted = length > smallMessage ? length : 0
    this.#context.budget.add(counted)
    this.#progress()
    await this.#writer.write(pieces, length, () => {
      this.#context.budget.give(counted)
      sent?.()
    })
    if (end) this.#end(end)
    else if (muteMs > 0) await this.#mute(muteMs)
  }

  #release(): void {
    this.#heldFrom.give(this.#held)
    this.#heldFrom.settled(this)
    this.#held = 0
    this.#heldFrom = this.#context.budget
  }

  #hold(bytes: number): void {
    this.#heldFrom.add(bytes)
    this.#held += bytes
  }

  /**
   * Waits while the listener holds more than it may. The share of this request is released first,
   * or it would wait for itself.
   */
  #room(): Promise<void> | undefined {
    this.#release()
    const { budget } = this.#context
    const { signal } = this.#abort
    let settle = () => {}
    const granted = () => settle()
    if (budget.room(granted)) return undefined
    return new Promise(resolve => {
      const unlisten = onAbort(signal, () => {
        budget.withdraw(granted)
        resolve()
      })
      settle = () => {
        unlisten()
        resolve()
      }
    })
  }

  /** Leaves the client waiting that has used too much: what it sends is not read (KIP-219). */
  async #mute(timeMs: number): Promise<void> {
    if (this.#ended) return
    this.#muted = true
    this.socket.pause()
    this.#release()
    // The end of the connection ends it early.
    await sleep(this.#context.clock, timeMs, this.#abort.signal).catch(() => {})
    this.#muted = false
    this.#progress()
  }

  /** Waits for the end of the connection. */
  async #hang(): Promise<void> {
    this.#hanging = true
    if (!this.#ended) await new Promise<void>(resolve => onAbort(this.#abort.signal, resolve))
  }

  #progress(): void {
    this.#lastProgress = this.#context.clock.monotonic()
  }

  /** Stops serving, and closes the socket when it has sent what was answered. */
  #end(reason: KafkaError | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#reason = reason
    this.#abort.abort(new KafkaError('NETWORK_EXCEPTION', 'The client has gone'))
    const from = this.#reservedFrom
    if (this.#asking) from.withdraw(this.#asking)
    from.give(this.#reserved)
    from.settled(this)
    this.#reserved = 0
    for (const waiting of this.#waiting.splice(0)) waiting.from.give(waiting.reserved)
    this.#writer.end()
  }
}

/** The address of a client, as Kafka shows it. */
export function clientHostOf(socket: Socket): string {
  return `/${addressOf(socket)}`
}

export function addressOf(socket: Socket): string {
  return (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
}

/**
 * True if a connection begins as one of TLS does: as a size of a request these bytes would mean 369
 * million.
 */
function isTlsHandshake(chunk: Uint8Array): boolean {
  return chunk[0] === 0x16 && chunk[1] === 0x03
}
