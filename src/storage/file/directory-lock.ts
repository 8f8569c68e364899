import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { KafkaError } from '../../errors.js'

/** Who holds a directory: written into its `.lock` file, so that another process can say so. */
interface Holder {
  readonly pid: number
  readonly host: string
  /** When the process began, in the kernel's ticks since boot, or 0 where that cannot be known: tells a process from a later one with its pid. */
  readonly startTicks: number
}

/**
 * Keeps a directory to one process. The file `.lock` comes into being by `link`, which is atomic and fails when there is one already. A lock whose
 * process is dead is taken over; one whose process lives, or lives on another host, never is.
 */
export class DirectoryLock {
  readonly #file: string
  #held = true

  private constructor(file: string) {
    this.#file = file
  }

  /** Throws a `KafkaError` STORAGE_FAILED that names the holder when another process, or another opener in this one, has the directory. */
  static acquire(directory: string): DirectoryLock {
    const file = join(directory, '.lock')
    const own: Holder = { pid: process.pid, host: hostname(), startTicks: startTicksOf(process.pid) }
    for (let attempt = 0; attempt < 10; attempt++) {
      if (create(file, own)) return new DirectoryLock(file)
      const holder = read(file)
      if (holder === undefined) continue
      if (isAlive(holder)) throw heldBy(directory, holder)
      takeAway(file, own)
    }
    throw new KafkaError('STORAGE_FAILED', `The lock \`${file}\` keeps changing hands`)
  }

  release(): void {
    if (!this.#held) return
    this.#held = false
    rmSync(this.#file, { force: true })
  }
}

function create(file: string, holder: Holder): boolean {
  const draft = `${file}.${holder.pid}.${drafts++}`
  writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 })
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

let drafts = 0

/** Undefined when the lock is gone by now. What is no lock of ours, an empty one of Kafka's for instance, reads as held by nobody alive. */
function read(file: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8') || '{}')
    return { pid: Number(holder.pid ?? 0), host: String(holder.host ?? hostname()), startTicks: Number(holder.startTicks ?? 0) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if (error instanceof SyntaxError) return { pid: 0, host: hostname(), startTicks: 0 }
    throw error
  }
}

/** Only who holds the guard may remove a dead process's lock, so that two who find it dead do not remove each other's new one. */
function takeAway(file: string, own: Holder): void {
  const guard = `${file}.takeover`
  if (!create(guard, own)) {
    const other = read(guard)
    if (other && !isAlive(other)) rmSync(guard, { force: true })
    return
  }
  try {
    const holder = read(file)
    if (holder && !isAlive(holder)) rmSync(file, { force: true })
  } finally {
    rmSync(guard, { force: true })
  }
}

function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return true
  if (holder.pid <= 0) return false
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  const startTicks = startTicksOf(holder.pid)
  return startTicks === 0 || holder.startTicks === 0 || startTicks === holder.startTicks
}

/** Field 22 of Linux's /proc/PID/stat, counted after the command, which may itself hold spaces and parentheses. */
function startTicksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) || 0
  } catch {
    return 0
  }
}

function heldBy(directory: string, holder: Holder): KafkaError {
  const where = holder.host === hostname() ? '' : ` on host ${holder.host}`
  const who = holder.pid === process.pid && where === '' ? 'this process' : `process ${holder.pid}${where}`
  return new KafkaError('STORAGE_FAILED', `The directory \`${directory}\` is in use by ${who}; only one cluster at a time can open it`)
}
