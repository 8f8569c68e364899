import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as millrace from '../../src/index.js'
import { KafkaError } from '../../src/index.js'
import * as file from '../../src/storage/file/index.js'
import * as testing from '../../src/testing/index.js'
import * as wire from '../../src/wire/index.js'
import { type Kind, mistakes } from './kinds.js'
import { type Door, doors } from './table.js'
import { openWorld, type World } from './world.js'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

/** What the engine says of a mistake that nobody looked for. */
const accidental =
  /Cannot (read|destructure|convert|mix|use)|is not (a function|iterable|a constructor)|not defined|Invalid (array|string|time|typed)|must be of type/

describe.each(doors.map(door => [door.name, door] as const))('%s', (_, door) => {
  it.each(door.places.map(([name, kind], index) => [name, kind, index] as const))('refuses what is no `%s`', async (name, kind, index) => {
    const faults: string[] = []
    for (const [label, value] of mistakes) {
      if (!kind.takes(value)) faults.push(...(await faultsOf(door, index, value, label, kind.mention ?? name, kind)))
      for (const [option, inner] of Object.entries(kind.options ?? {}))
        faults.push(...(await faultsInOption(door, index, kind, option, inner, label, value)))
    }
    if (kind.options)
      faults.push(...(await faultsOf(door, index, { ...kind.rest, zzzzzzzz: 1 }, 'an unknown option', 'Unknown option `zzzzzzzz`', kind)))
    if (faults.length > 0) expect.fail(faults.join('\n'))
  })
})

async function faultsInOption(
  door: Door,
  index: number,
  kind: Kind,
  option: string,
  inner: Kind,
  label: string,
  value: unknown
): Promise<string[]> {
  const given = (of: unknown) => ({ ...kind.rest, [option]: of })
  const faults = inner.takes(value) ? [] : await faultsOf(door, index, given(value), `${option}: ${label}`, option, inner)
  for (const [deeper, innermost] of Object.entries(inner.options ?? {})) {
    if (innermost.takes(value)) continue
    faults.push(
      ...(await faultsOf(door, index, given({ ...inner.rest, [deeper]: value }), `${option}.${deeper}: ${label}`, deeper, innermost))
    )
  }
  return faults
}

/** What is wrong with how a call met a mistake; nothing when it is told at the call, by a `TypeError` that says where. */
async function faultsOf(
  door: Door,
  index: number,
  value: unknown,
  label: string,
  mention: string,
  { codes = [] }: Kind
): Promise<string[]> {
  const args = door.places.map(([, , good], at) => (at === index ? value : good(world)))
  try {
    const timer = new Promise<string>(resolve => setTimeout(resolve, 1000, 'late').unref())
    const result = await Promise.race([door.call(world, ...(args as never[])), timer])
    return [`${label}: ${result === 'late' ? 'nothing came of it' : 'was taken'}`]
  } catch (error) {
    if (error instanceof KafkaError && codes.includes(error.code)) return []
    if (!(error instanceof TypeError)) return [`${label}: ${String(error)}`]
    const isTold = !accidental.test(error.message) && error.message.includes(mention)
    return isTold ? [] : [`${label}: ${error.message}`]
  }
}

describe('the table', () => {
  const modules: Record<string, object> = { millrace, file, wire, testing }
  const named = new Set(doors.map(({ name }) => name.split(/ (of|by|to|before)\b/)[0]))
  const exported = Object.values(modules).flatMap(module => Object.entries(module))
  const classes = exported.filter(([, value]) => isClass(value)) as [string, { prototype: object }][]

  it('has every public function', () => {
    const functions = exported.filter(([, value]) => typeof value === 'function' && !isClass(value)).map(([name]) => name)
    expect(functions.filter(name => !named.has(name))).toEqual([])
  })

  it('has every public method, or says why not', () => {
    const missing: string[] = []
    for (const [name, type] of classes) {
      const methods = [...methodsOf(type.prototype), ...methodsOf(type)]
      for (const method of methods) {
        const full = `${name}.${method}`
        if (!named.has(full) && !takesNothing.has(full) && !ofTheNode.has(full)) missing.push(full)
      }
    }
    if (missing.length > 0) expect.fail(missing.join(', '))
  })

  it('has every option', async () => {
    const missing: string[] = []
    for (const door of doors) {
      for (const [index, [, kind]] of door.places.entries()) {
        if (!kind.options) continue
        const args = door.places.map(([, , good], at) => (at === index ? { ...kind.rest, zzzzzzzz: 1 } : good(world)))
        const error = await Promise.resolve()
          .then(() => door.call(world, ...(args as never[])))
          .catch((error: Error) => error)
        const known = /it has ([\w, ]+)/.exec((error as Error).message)?.[1].split(', ') ?? []
        for (const option of known) if (!(option in kind.options)) missing.push(`${door.name}: ${option}`)
      }
    }
    if (missing.length > 0) expect.fail(missing.join(', '))
  })
})

/** Methods without arguments. */
const takesNothing = new Set([
  'BatchBuilder.measure',
  'Cluster.housekeeping',
  'Consumer.unsubscribe',
  'Consumer.assignment',
  'Consumer.paused',
  'Consumer.lag',
  'FileStorage.prepare',
  'InterceptedBroker.any',
  'InterceptedBroker.close',
  'InterceptedBroker.reset',
  'LeaderEpochs.clear',
  'LeaderEpochs.copy',
  'LocalBroker.housekeeping',
  'Log.applyRetention',
  'Log.dirtiness',
  'Log.maxTimestamp',
  'Log.nextExpiry',
  'Log.rollWhenDue',
  'Log.sync',
  'MemoryStorage.close',
  'MemoryStorage.releaseMemory',
  'MemoryStorage.syncFolder',
  'Pipe.assignment',
  'Pipe.lag',
  'RecordBatch.verify',
  'RecordCursor.headers',
  'RecordCursor.key',
  'RecordCursor.next',
  'RecordCursor.record',
  'RecordCursor.rewind',
  'RecordCursor.value',
  'SimulatedDisk.files',
  'SimulatedDisk.mend',
  'VirtualClock.monotonic',
  'VirtualClock.now',
  'VirtualClock.sliceTime'
])

/** Methods that only the library itself calls: what they are given has been checked at another door. */
const ofTheNode = new Set<string>([
  'LocalBroker.scramCredentials',
  'LocalBroker.scramUsers',
  'LocalBroker.heldBecause',
  'LocalBroker.damageAt',
  'BatchBuilder.hasRoomFor',
  'ClusterClient.errorArgs',
  'Consumer.errorArgs',
  'Log.stopped',
  'Log.damaged',
  'Producer.errorArgs',
  'Pipe.errorArgs',
  'InterceptedBroker.request',
  'InterceptedBroker.byId',
  'InterceptedBroker.learn',
  'SimulatedDisk.begin',
  'SimulatedDisk.opened',
  'SimulatedDisk.closed',
  'SimulatedDisk.create',
  'SimulatedDisk.list',
  'SimulatedDisk.remove',
  'SimulatedDisk.rename',
  'SimulatedDisk.syncFolder'
])

function isClass(value: unknown): value is { prototype: object } {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

function methodsOf(owner: object): string[] {
  return Object.getOwnPropertyNames(owner).filter(name => {
    const described = Object.getOwnPropertyDescriptor(owner, name)
    return name !== 'constructor' && typeof described?.value === 'function'
  })
}
