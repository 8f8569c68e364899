import { KafkaError } from '../errors.js'
import type { LogState } from './log-state.js'
import { cutUnwritten } from './recovery/log-truncation.js'

/**
 * Changes a log when all changes before are done and all writes have settled. A failure of the
 * storage ends the writing.
 */
export async function exclusively(log: LogState, change: () => Promise<void>): Promise<void> {
  log.expectOpen()
  return log.changes.run(async () => {
    const { failures } = log
    await log.writes.settled()
    await log.flusher.idle()
    if (failures.final) throw failures.final
    if (failures.lackOfRoom) await cutUnwritten(log)
    try {
      await change()
    } catch (error) {
      throw error instanceof KafkaError && error.code !== 'STORAGE_FAILED' ? error : failures.end(error)
    }
  })
}
