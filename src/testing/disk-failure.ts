import { KafkaError } from '../errors.js'

/** The operations of a disk, each of which can be made to fail. */
export type DiskOperation = 'open' | 'append' | 'read' | 'truncate' | 'sync' | 'list' | 'remove' | 'rename' | 'syncFolder'

/** The failure of a simulated disk: the error that a storage makes of an operating system's. */
export class DiskFailure extends KafkaError {
  /** True if a part of it may have happened. */
  readonly isPartial: boolean

  constructor(message: string, reason: string, isPartial: boolean) {
    super('STORAGE_FAILED', message, { cause: Object.assign(new Error(reason), { code: reason }) })
    this.isPartial = isPartial
  }
}
