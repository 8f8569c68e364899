import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../../../src/common/random.js'
import { hasContainers, Occupant } from './occupant.js'

export interface RaceOptions {
  readonly races: number
  readonly racers: number
  readonly seed: number
  /** The share of racers, by chance, that lock in the kernel as well. */
  readonly kernelLockShare: number
  readonly sessionTimeoutMs: number
  readonly note?: (line: string) => void
}

export interface RaceTally {
  races: number
  /** How often the last owner had been killed. */
  kills: number
  /** How often more than one got the directory. */
  doubles: number
  /** How often nobody got it. */
  none: number
}

/**
 * Lets processes go for one directory at the same time, again and again: each in a pid namespace of
 * its own, some under the same host name. Between two races the owner closes it, or is killed.
 */
export async function race({ races, racers, seed, kernelLockShare, sessionTimeoutMs, note = () => {} }: RaceOptions): Promise<RaceTally> {
  const random = seededRandom(seed)
  const home = mkdtempSync(join(tmpdir(), 'millrace-race-'))
  const tally: RaceTally = { races: 0, kills: 0, doubles: 0, none: 0 }
  const start = (i: number) => Occupant.start(hasContainers ? { container: `racer-${i % 2}` } : {})
  const field = await Promise.all(Array.from({ length: racers }, (_, i) => start(i)))
  try {
    while (tally.races < races) {
      const options = () => ({
        kernelLock: random.next() < kernelLockShare,
        lockHeartbeatIntervalMs: Math.floor(sessionTimeoutMs / 10),
        lockSessionTimeoutMs: sessionTimeoutMs
      })
      const answers = await Promise.all(field.map(racer => racer.ask({ do: 'hold', directory: join(home, 'data'), options: options() })))
      const owners = field.filter((_, i) => answers[i].error === undefined)
      tally.races++
      if (owners.length > 1) tally.doubles++
      if (owners.length === 0) tally.none++
      for (const { error } of answers) if (error !== undefined && !error.includes('is in use by')) throw new Error(error)
      for (const owner of owners) {
        if (random.next() < 0.5) await owner.ask({ do: 'close' })
        else {
          await owner.kill()
          tally.kills++
          const place = field.indexOf(owner)
          field[place] = await start(place)
        }
      }
      note(`race ${tally.races}: ${owners.length} of ${racers} got it, ${shown(tally)}`)
    }
    return tally
  } finally {
    await Promise.all(field.map(racer => racer.kill()))
    rmSync(home, { recursive: true })
  }
}

function shown({ kills, doubles, none }: RaceTally): string {
  return `${kills} owners were killed so far, ${doubles} times two owners, ${none} times none`
}
