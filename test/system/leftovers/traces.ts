import { createHook } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { collectGarbage } from '../../collect-garbage.js'

/** Looking where things were made takes most of the time. */
const withPlaces = process.argv.includes('--places')

/**
 * Timers, sockets and the like that are there at present, whether or not they keep the process
 * alive, with the place that made them if it is wanted.
 */
const live = new Map<number, { readonly type: string; readonly place: string }>()

/**
 * The kinds of resources that end by themselves with the garbage collector, or with the operation,
 * and is watched in other ways.
 */
const passing =
  /^(PROMISE|RANDOMBYTESREQUEST|TickObject|Immediate|.*REQ.*|.*REQUEST.*|FILEHANDLE|FILEHANDLECLOSEREQ|Microtask|ZLIB|PBKDF2.*|HASH.*|bound-anonymous-fn|TIMERWRAP|SIGNREQUEST|DNSCHANNEL)$/

createHook({
  init(id, type) {
    if (!passing.test(type)) live.set(id, { type, place: withPlaces ? placeOf(new Error().stack ?? '') : '' })
  },
  destroy: id => void live.delete(id)
}).enable()

/** The lines of the library and its tests in a stack. */
function placeOf(stack: string): string {
  const lines = stack.split('\n').filter(line => /\/(src|test)\//.test(line) && !line.includes('traces.ts'))
  return lines
    .slice(0, 4)
    .map(line => line.trim().replace(/^at |\(?file:.*?\/(?=(?:src|test)\/)|\)$/g, ''))
    .join(' < ')
}

/** All that is there of what a closed object could leave behind. */
export interface Traces {
  readonly resources: ReadonlySet<number>
  readonly active: readonly string[]
  readonly files: readonly string[]
  readonly listeners: readonly string[]
}

export function look(signal: AbortSignal): Traces {
  const emitters = { process, stdout: process.stdout, stderr: process.stderr }
  const listeners = Object.entries(emitters).flatMap(([name, emitter]) =>
    emitter.eventNames().map(event => `${name} ${String(event)}: ${emitter.listenerCount(event)}`)
  )
  if (getEventListeners(signal, 'abort').length > 0) listeners.push(`signal abort: ${getEventListeners(signal, 'abort').length}`)
  return {
    resources: new Set(live.keys()),
    active: process.getActiveResourcesInfo().filter(name => name !== 'Immediate'),
    files: openFiles(),
    listeners
  }
}

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith('/proc/') ? [] : [target.replace(/\[\d+\]/, '')]
    } catch {
      return []
    }
  })
}

/** All that is there now and was not before, in words. */
export function added(before: Traces, signal: AbortSignal): string[] {
  const now = look(signal)
  const resources = [...live].filter(([id]) => !before.resources.has(id)).map(([, { type, place }]) => `${type} ${place}`)
  return [
    ...resources,
    ...more(before.active, now.active, 'keeps the process alive: '),
    ...more(before.files, now.files, 'open: '),
    ...more(before.listeners, now.listeners, 'listens: ')
  ]
}

function more(before: readonly string[], now: readonly string[], what: string): string[] {
  const left = [...before]
  return now.flatMap(each => {
    const index = left.indexOf(each)
    if (index < 0) return [`${what}${each}`]
    left.splice(index, 1)
    return []
  })
}

/** Lets handles that were closed go, and collects garbage. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
  collectGarbage()
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
  collectGarbage()
}
