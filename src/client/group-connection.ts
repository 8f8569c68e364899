import { abortable } from '../common/deferred.js'
import type { ErrorCode } from '../errors.js'
import type { Broker } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import type { CoordinatorCache } from './coordinator-cache.js'

/** The coordinator of one group, wherever it is at present. */
export class GroupConnection {
  readonly groupId: string
  readonly #coordinators: CoordinatorCache

  constructor(groupId: string, coordinators: CoordinatorCache) {
    this.groupId = groupId
    this.#coordinators = coordinators
  }

  /**
   * Finds the coordinator if need be, and asks it. One that does not answer is looked for again the
   * next time. An answer after `signal` has aborted counts for nothing.
   */
  async ask<A extends Api>(api: A, body: RequestOf<A>, signal?: AbortSignal): Promise<ResponseOf<A>> {
    const broker: Broker = await this.#coordinators.ofGroup(this.groupId, signal)
    try {
      return await abortable(Promise.resolve(broker.request(api, body, signal)), signal)
    } catch (error) {
      if (!signal?.aborted) this.forget()
      throw error
    }
  }

  /**
   * Looks at an error that it answered with: after some of them the coordinator has to be looked
   * for again.
   */
  noteError(code: ErrorCode): void {
    if (code === 'NOT_COORDINATOR' || code === 'COORDINATOR_NOT_AVAILABLE' || code === 'REQUEST_TIMED_OUT') this.forget()
  }

  forget(): void {
    this.#coordinators.forget(this.groupId)
  }
}
