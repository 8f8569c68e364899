import { exclusively } from '../exclusively.js'
import type { LogState } from '../log-state.js'
import { roll } from './log-roll.js'

/** Ends the active segment where that is due by its age. */
export async function rollWhenDue(log: LogState): Promise<void> {
  const isDue = () => log.segments.active.isOld(log.options, log.clock.now())
  if (log.isReadOnly || log.segments.count === 0 || !isDue()) return
  await exclusively(log, async () => void (isDue() && (await roll(log, log.nextOffset))))
}
