import type { MaybePromise } from '../common/deferred.js'
import type { Api, RequestOf, ResponseOf } from './message.js'

/**
 * The waist of millrace: everything that clients ask of a broker goes through `request`, in process
 * or over a socket. Producers, consumers and admins stand above it; a node in this process, or a
 * connection to one elsewhere, stands below. Faults, tracing and authorization wrap this one
 * function.
 */
export interface Broker {
  /**
   * Sends one request and resolves with its response, or returns it where it is there at once.
   * Errors about data stand in the response, per topic and partition, as Kafka's error numbers; the
   * promise rejects when there is no response: the broker is closed or out of reach (`KafkaError`),
   * or the signal aborted. The message, with the bytes in it, is borrowed until the promise
   * settles: before that nobody may change or reuse them, also when the signal aborts, and after
   * that the broker neither reads nor writes them. Whoever stands between passes the signal on.
   */
  request<A extends Api>(api: A, body: RequestOf<A>, signal?: AbortSignal): MaybePromise<ResponseOf<A>>
}

/**
 * By signal: how many Produce and Fetch requests are under way that a node in this process works
 * on.
 */
const telling = new WeakMap<AbortSignal, number>()

/**
 * Says that a request tells its fate when its signal aborts. A Fetch ends at once; a Produce
 * request rejects where nothing was appended and nothing ever will be, and otherwise is answered
 * once the append has ended. That goes by the signal, which whoever stands between passes on.
 */
export function tellFate(signal: AbortSignal, response: Promise<unknown>): void {
  telling.set(signal, (telling.get(signal) ?? 0) + 1)
  const end = () => {
    const left = (telling.get(signal) as number) - 1
    if (left === 0) telling.delete(signal)
    else telling.set(signal, left)
  }
  response.then(end, end)
}

/**
 * True if the request with this signal will tell its fate if it is aborted now. Over a network,
 * none does.
 */
export function tellsFate(signal: AbortSignal): boolean {
  return telling.has(signal)
}

const freeOrder = new WeakSet<AbortSignal>()

/**
 * Says that a client that fetches with this signal takes partitions in any order. Over a network a
 * fetch session (KIP-227) may then be used, in which the broker chooses the order; other fetches
 * are answered in the order of the request.
 */
export function takeAnyOrder(signal: AbortSignal): void {
  freeOrder.add(signal)
}

export function takesAnyOrder(signal: AbortSignal | undefined): boolean {
  return signal !== undefined && freeOrder.has(signal)
}

/**
 * The brokers of a cluster as one client sees them. Which of them to ask is learnt from Metadata
 * and FindCoordinator.
 */
export interface Brokers {
  /** Any broker that answers: for bootstrapping and for requests that any broker can serve. */
  any(): Broker
  /** The broker with this node id, or undefined while it is not known. */
  byId(nodeId: number): Broker | undefined
  /**
   * Tells where brokers are, as a Metadata or FindCoordinator response has it. Nothing to do in
   * process.
   */
  learn?(brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]): void
  /** Ends what this client holds open. */
  close?(): Promise<void>
}
