import type { MaybePromise } from '../common/deferred.js'
import type { Api, RequestOf, ResponseOf } from './message.js'

/**
 * The waist of millrace: everything that clients ask of a broker goes through `request`, in process or over a socket. Producers, consumers
 * and admins stand above it; a node in this process, or a connection to one elsewhere, stands below. Faults, tracing and authorization
 * wrap this one function.
 */
export interface Broker {
  /**
   * Sends one request and resolves with its response, or returns it where it is there at once. Errors about data stand in the response, per
   * topic and partition, as Kafka's error numbers; the promise rejects when there is no response: the broker is closed or out of reach
   * (`KafkaError`), or the signal aborted. The message, with the bytes in it, is borrowed until the promise settles: before that nobody may change or
   * reuse them, also when the signal aborts, and after that the broker neither reads nor writes them.
   */
  request<A extends Api>(api: A, body: RequestOf<A>, signal?: AbortSignal): MaybePromise<ResponseOf<A>>
  /**
   * Whether the promise of an aborted Produce request tells its fate: it rejects where nothing was appended and nothing ever will be, and otherwise is
   * answered, once the append has ended. Who aborts one then waits for that, instead of sending the batches a second time. Default: `false`, as over a
   * network.
   */
  readonly answersAborted?: boolean
}

/** The brokers of a cluster as one client sees them. Which of them to ask is learnt from Metadata and FindCoordinator. */
export interface Brokers {
  /** Whichever broker answers: for bootstrapping and for requests that any broker can serve. */
  any(): Broker
  /** The broker with this node id, or undefined while it is not known. */
  byId(nodeId: number): Broker | undefined
  /** Tells where brokers are, as a Metadata or FindCoordinator response has it. Nothing to do in process. */
  learn?(brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]): void
  /** Ends what this client holds open. */
  close?(): Promise<void>
}
