import type { LogState } from '../log-state.js'
import { cutUnwritten } from './log-truncation.js'

/** Waits for the writes of a log, makes what it holds safe on the disk, and closes its files. */
export async function closeLog(log: LogState): Promise<void> {
  const { segments, flusher, failures } = log
  await log.changes.idle()
  await log.writes.settled()
  await segments.removals()
  await flusher.idle()
  if (log.storage.durable && !log.isReadOnly && !failures.final) {
    try {
      if (failures.lackOfRoom) await cutUnwritten(log)
      await flusher.close(segments, log.logEndOffset)
    } catch (error) {
      failures.end(error)
    }
  }
  log.history.producers.leaveRoom()
  await segments.close()
}
