import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { threadId } from 'node:worker_threads'

/** A thread of a process, told apart from all others. What the system does not tell is left out. */
export interface ThreadIdentity {
  readonly pid: number
  /** The number that Node gives the worker; 0 for the main thread. */
  readonly worker: number
  readonly host: string
  readonly platform: string
  /** A new one each time that a kernel starts. */
  readonly bootId?: string
  /** Process ids count within it; each container has one of its own. */
  readonly pidNamespace?: string
  /** Processes of one kernel share the monotonic clock within it. */
  readonly timeNamespace?: string
  /** The kernel's number of the thread, in the pid namespace. */
  readonly tid?: number
  /**
   * The time at which the thread began, in the kernel's ticks since the boot: tells it from a later
   * one with its number.
   */
  readonly startTicks?: number
}

export function thisThread(): ThreadIdentity {
  const [, tid] = /task\/(\d+)$/.exec(linkOf('/proc/thread-self') ?? '') ?? []
  const own = isProcOfThisNamespace() && tid !== undefined ? Number(tid) : undefined
  return {
    pid: process.pid,
    worker: threadId,
    host: hostname(),
    platform: process.platform,
    bootId: textOf('/proc/sys/kernel/random/boot_id'),
    pidNamespace: linkOf('/proc/self/ns/pid'),
    timeNamespace: linkOf('/proc/self/ns/time'),
    tid: own,
    startTicks: own === undefined ? undefined : statOf(`/proc/self/task/${own}/stat`)?.startTicks
  }
}

/**
 * True if both are in the same pid namespace of the same boot, so that one can look for the other
 * by its pid.
 */
export function sharesPids(a: ThreadIdentity, b: ThreadIdentity): boolean {
  return sharesKernel(a, b) && a.pidNamespace !== undefined && a.pidNamespace === b.pidNamespace
}

export function sharesKernel(a: ThreadIdentity, b: ThreadIdentity): boolean {
  return a.bootId !== undefined && a.bootId === b.bootId
}

/**
 * `ending`: the process was killed, and some of its threads, which may still write, are not over.
 */
export type ThreadState = 'alive' | 'ending' | 'dead' | 'unknown'

/** The state of a thread of this pid namespace. */
export function stateOfThread({ pid, tid, startTicks }: ThreadIdentity): ThreadState {
  if (!isPidInUse(pid)) return 'dead'
  if (tid === undefined || startTicks === undefined || !isProcOfThisNamespace()) return 'unknown'
  const leader = statOf(`/proc/${pid}/stat`)
  // Processes of others may be hidden.
  if (!leader) return 'unknown'
  // The kernel lists a process that was killed until its parent has been told.
  if (leader.isOver) return leader.startTicks <= startTicks && hasRunningThread(pid) ? 'ending' : 'dead'
  const thread = statOf(`/proc/${pid}/task/${tid}/stat`)
  return thread !== undefined && !thread.isOver && thread.startTicks === startTicks ? 'alive' : 'dead'
}

export function isPidInUse(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * The time at which a process of this pid namespace began, in ticks since the boot; undefined where
 * that is not told.
 */
export function startTicksOf(pid: number): number | undefined {
  return isProcOfThisNamespace() ? statOf(`/proc/${pid}/stat`)?.startTicks : undefined
}

function hasRunningThread(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some(tid => statOf(`/proc/${pid}/task/${tid}/stat`)?.isOver === false)
  } catch {
    return false
  }
}

/** A container may see the /proc of another pid namespace, whose numbers are not its own. */
function isProcOfThisNamespace(): boolean {
  return linkOf('/proc/self') === String(process.pid)
}

/**
 * Fields 3 and 22 of Linux's stat, counted after the command, which may itself hold spaces and
 * parentheses.
 */
function statOf(path: string): { readonly isOver: boolean; readonly startTicks: number } | undefined {
  const stat = textOf(path)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const startTicks = Number(fields[19])
  return Number.isSafeInteger(startTicks) ? { isOver: /^[ZXx]$/.test(fields[0]), startTicks } : undefined
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim() || undefined
  } catch {
    return undefined
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
