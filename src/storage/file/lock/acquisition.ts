import { randomUUID } from 'node:crypto'
import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isMissing } from '../storage-error.js'
import { type FoundLock, findLock, type Verdict, verdictOn } from './found-lock.js'
import type { KernelLocks } from './kernel-locks.js'
import { kernelMs } from './kernel-time.js'
import { LockDraft } from './lock-draft.js'
import type { LockRecord } from './lock-record.js'
import { sharesKernel, type ThreadIdentity, thisThread } from './thread-identity.js'

export const lockName = '.lock'
const claimPrefix = `${lockName}.after-`
const draftPrefix = `${lockName}.draft-`

/** A holder of which the system does not tell whether it lives: only its silence can. */
export interface Doubt {
  readonly lock: FoundLock
  /** True if it was killed, and the system is about to tell that it is gone. */
  readonly isEnding: boolean
  /** The time for which it was surely silent, in ms. */
  readonly silentMs: number
  /** The longest silence that is allowed, in ms. */
  readonly honouredMs: number
}

/** Somebody has the directory. */
export class HeldElsewhere {
  readonly lock: FoundLock

  constructor(lock: FoundLock) {
    this.lock = lock
  }
}

export interface AcquisitionSetting {
  readonly directory: string
  readonly fileMode: number
  readonly heartbeatIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly kernelLocks: KernelLocks | undefined
}

/**
 * Takes the lock of a directory. The file `.lock` comes into being by `link`, which is atomic and
 * fails when there is one already. A lock of a dead holder is replaced, in two steps:
 *
 * 1. `link` gives the new file the name `.lock.after-ID`, with the id of the dead one. Of all who
 *    want to replace the same lock, one succeeds.
 * 2. `rename` puts the new file in the place of `.lock`.
 *
 * A process may die between the two. Its claim then is a lock of a dead holder, and is followed by
 * the next claim: the line from `.lock` over the claims has one end, and only there it can grow. A
 * claim outside of the line has come too late, and is withdrawn.
 */
export class Acquisition {
  readonly #setting: AcquisitionSetting
  readonly #self: ThreadIdentity = thisThread()
  readonly #path: string
  /** The states of the locks whose silence has lasted too long. */
  readonly #silent = new Set<string>()

  constructor(setting: AcquisitionSetting) {
    this.#setting = setting
    this.#path = join(setting.directory, lockName)
  }

  /** This lock may be taken over unless it has changed. */
  giveUpOn(lock: FoundLock): void {
    this.#silent.add(lock.state)
  }

  attempt(): LockDraft | HeldElsewhere | Doubt {
    for (let tries = 0; tries < mostTries; tries++) {
      const line = this.#line()
      for (const lock of line) {
        const verdict = this.#verdictOn(lock)
        if (verdict === 'alive') return new HeldElsewhere(lock)
        if (verdict !== 'dead') return this.#doubt(lock, verdict === 'ending')
      }
      const draft = this.#draft()
      try {
        if (this.#take(draft, line)) return draft
        draft.discard()
      } catch (error) {
        draft.discard()
        throw error
      }
    }
    throw new Error(`\`${this.#path}\` keeps changing hands`)
  }

  #verdictOn(lock: FoundLock): Verdict {
    const verdict = verdictOn(lock, this.#self)
    return verdict === 'unsure' && this.#silent.has(lock.state) ? 'dead' : verdict
  }

  /** The lock, and the claims that follow it. */
  #line(): FoundLock[] {
    const line: FoundLock[] = []
    for (let path = this.#path; ; path = this.#claimOn(line.at(-1) as FoundLock)) {
      const lock = findLock(path, this.#setting.kernelLocks)
      if (!lock || line.some(({ id }) => id === lock.id)) return line
      line.push(lock)
    }
  }

  #claimOn({ id }: FoundLock): string {
    return join(this.#setting.directory, `${claimPrefix}${id}`)
  }

  #take(draft: LockDraft, line: readonly FoundLock[]): boolean {
    const last = line.at(-1)
    const isCertain = last ? line.every(lock => verdictOn(lock, this.#self) === 'dead') : this.#isEmpty()
    if (last) {
      if (!draft.publish(this.#claimOn(last))) return false
      if (!this.#isNext(draft, line) || !this.#replace(draft, last)) {
        if (draft.isAt(this.#claimOn(last))) rmSync(this.#claimOn(last), { force: true })
        return false
      }
    } else if (!draft.publish(this.#path)) return false
    // A holder that was wrongly taken for dead acknowledges nothing any more once this time is
    // over, and what it has acknowledged before is there to be read.
    if (!isCertain) pause(settlingMs)
    if (!draft.isAt(this.#path)) return false
    this.#removeRemains(draft)
    return true
  }

  /** True if the line is as it was, with the claim at its end. */
  #isNext(draft: LockDraft, line: readonly FoundLock[]): boolean {
    const now = this.#line()
    return now.length === line.length + 1 && line.every((lock, i) => now[i].state === lock.state) && now.at(-1)?.id === draft.record.id
  }

  #replace(draft: LockDraft, last: FoundLock): boolean {
    try {
      renameSync(this.#claimOn(last), this.#path)
      return draft.isAt(this.#path)
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  }

  /** True if nobody can have written here: without a lock, somebody may have removed it by hand. */
  #isEmpty(): boolean {
    return readdirSync(this.#setting.directory).every(name => name.startsWith(lockName))
  }

  /** Removes what processes have left that died, or came too late. */
  #removeRemains(draft: LockDraft): void {
    const own = `${claimPrefix}${draft.record.id}`
    for (const name of readdirSync(this.#setting.directory)) {
      if (name === own || !(name.startsWith(claimPrefix) || name.startsWith(draftPrefix))) continue
      rmSync(join(this.#setting.directory, name), { force: true })
    }
  }

  #draft(): LockDraft {
    const { directory, fileMode, kernelLocks, sessionTimeoutMs } = this.#setting
    const id = randomUUID()
    const claimant = {
      id,
      ...this.#self,
      since: new Date().toISOString(),
      sessionTimeoutMs,
      beat: 0,
      beatAt: kernelMs(),
      isReleased: false
    }
    return new LockDraft(join(directory, `${draftPrefix}${id}`), claimant, { mode: fileMode, kernelLocks })
  }

  #doubt(lock: FoundLock, isEnding: boolean): Doubt {
    const { record } = lock
    const { heartbeatIntervalMs, sessionTimeoutMs } = this.#setting
    if (isEnding) return { lock, isEnding, silentMs: 0, honouredMs: sessionTimeoutMs }
    if (!record) return { lock, isEnding, silentMs: this.#ageOf(lock), honouredMs: beatsUntilRepaired * heartbeatIntervalMs }
    return { lock, isEnding, silentMs: this.#silenceOf(record), honouredMs: record.sessionTimeoutMs ?? sessionTimeoutMs }
  }

  /** The silence of a holder, by the clock of the kernel, if it shares that. */
  #silenceOf(record: LockRecord): number {
    const now = kernelMs()
    const { beatAt, timeNamespace } = record
    const sharesClock = sharesKernel(record, this.#self) && timeNamespace !== undefined && timeNamespace === this.#self.timeNamespace
    return sharesClock && beatAt !== undefined && now !== undefined ? Math.max(0, now - beatAt) : 0
  }

  /** The time since a file was written to, by the clock that stamps the files there. */
  #ageOf({ stats }: FoundLock): number {
    const draft = this.#draft()
    try {
      return Math.max(0, draft.modifiedMs - Number(stats.mtimeMs))
    } finally {
      draft.discard()
    }
  }
}

const mostTries = 100
/** A live holder writes its lock again when somebody has damaged it. */
const beatsUntilRepaired = 3
/** A few times as long as a holder relies on having looked at its lock. */
const settlingMs = 5

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
