import type { Access } from '../authorizer/access.js'
import type { AppendOrigin } from '../log/append/batch-validation.js'
import type { ClientMeter } from './quotas/client-meter.js'
import type { RemoteWrites } from './remote-writes.js'

/** The context of a request for its handler: the client, and the version of the API. */
export interface RequestContext {
  readonly clientId: string
  /** The host of the client, as groups show it. In process: `/in-process`. */
  readonly clientHost: string
  /** Of the API that is asked. In process, where no version is negotiated, `newestVersion`. */
  readonly apiVersion: number
  /** The trust in the batches that it produces. */
  readonly origin: AppendOrigin
  /** Decides what the client may do. Absent: everything. */
  readonly access?: Access
  /** True if ACLs decide on what the client may do, or would if it were not allowed everything. */
  readonly hasAcls?: boolean
  /**
   * The user that the client came in as at a door without an authorizer: it may change its own
   * password, and nobody else's.
   */
  readonly user?: string
  /** True if a user of this name is given by the program, so that no client can change it. */
  readonly isGivenUser?: (name: string) => boolean
  /** Stands for the connection of a client that is not in this process. */
  readonly connection?: object
  /** Lets such a client wait for its turn. */
  readonly writes?: RemoteWrites
  /** Counts what such a client uses against its quotas. */
  readonly meter?: ClientMeter
}

/**
 * The version of a request that never was encoded: newer than any, so that `apiVersion >= n` reads
 * as it should.
 */
export const newestVersion: number = Number.MAX_SAFE_INTEGER

/**
 * True if a client over the wire sent a request in a version that is at least `version`. In process
 * the version does not tell the form of a request.
 */
export function wasSentSince(version: number, apiVersion: number): boolean {
  return apiVersion >= version && apiVersion !== newestVersion
}
