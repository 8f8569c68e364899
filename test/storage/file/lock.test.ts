import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Cluster } from '../../../src/cluster.js'
import { deferred } from '../../../src/common/deferred.js'
import type { KafkaError } from '../../../src/errors.js'
import { type FileStorage, type FileStorageOptions, fileStorage } from '../../../src/storage/file/index.js'
import { KernelLocks } from '../../../src/storage/file/lock/kernel-locks.js'

let home: string
let data: string
const opened: FileStorage[] = []
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millrace-lock-'))
  data = join(home, 'data')
})
afterEach(async () => {
  vi.useRealTimers()
  for (const storage of opened.splice(0)) await storage.close()
  rmSync(home, { recursive: true, force: true })
})

const hasKernelLocks = KernelLocks.load() !== undefined
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0 && process.getuid?.() === 0
const some = new Uint8Array(10).fill(1)

describe.each([
  { kind: 'kernel', isThere: hasKernelLocks },
  { kind: 'heartbeat', isThere: true }
] as const)('the owner of a directory, by a $kind lock', ({ kind, isThere }) => {
  const withLock = it.runIf(isThere)

  /** A storage of this kind, whose lock gives signs of life in quick succession. */
  function storageOf(directory: string, options: FileStorageOptions = {}): FileStorage {
    const storage = fileStorage(directory, {
      kernelLock: kind === 'kernel',
      lockHeartbeatIntervalMs: 100,
      lockSessionTimeoutMs: 500,
      ...options
    })
    opened.push(storage)
    return storage
  }

  async function held(directory = data, options: FileStorageOptions = {}): Promise<FileStorage> {
    const storage = storageOf(directory, options)
    await storage.prepare()
    return storage
  }

  /** A lock that was left by somebody like this process, but for what is given. */
  async function leave(record: object): Promise<void> {
    const storage = await held()
    const left = JSON.parse(readFileSync(join(data, '.lock'), 'utf8'))
    await storage.close()
    const { place: _, ...others } = left
    writeFileSync(join(data, '.lock'), JSON.stringify({ ...others, isKernelLocked: false, ...record }))
  }

  withLock('says how it holds it', async () => {
    const storage = storageOf(data)
    expect(storage.lockKind).toBeUndefined()
    storage.list('')
    expect(storage.lockKind).toBe(kind)
    await storage.close()
    expect(storage.lockKind).toBeUndefined()
  })

  withLock('is named to a second one, which is told what to do', async () => {
    await held()
    const { since } = JSON.parse(readFileSync(join(data, '.lock'), 'utf8'))
    await expect(held()).rejects.toThrow(
      `The directory \`${data}\` is in use by this process since ${since}; only one cluster at a time can open it: ` +
        'close that one first, or open the directory with `readOnly: true` to look at it'
    )
    expect(() => storageOf(data).list('')).toThrow('is in use by this process')
  })

  withLock('is the owner by every path to it', async () => {
    await held()
    symlinkSync(data, join(home, 'link'))
    await expect(held(join(home, 'link'))).rejects.toThrow('is in use by this process')
    await expect(held(join(data, '..', 'data'))).rejects.toThrow('is in use by this process')
  })

  withLock('leaves it to the next one when it closes', async () => {
    for (let i = 0; i < 3; i++) {
      const storage = await held()
      await storage.close()
    }
    expect(readdirSync(data)).toEqual([])
  })

  withLock('does not own a copy of the directory, which opens beside it', async () => {
    const storage = await held()
    await storage.open('a.log').append(some)
    cpSync(data, join(home, 'copy'), { recursive: true, preserveTimestamps: true })
    const copy = storageOf(join(home, 'copy'))
    expect(copy.open('a.log').length).toBeGreaterThanOrEqual(10)
    await expect(held()).rejects.toThrow('is in use')
    await expect(held(join(home, 'copy'))).rejects.toThrow('is in use')
  })

  withLock('gets in past a lock that says that nobody has the directory', async () => {
    await leave({ isReleased: true, sessionTimeoutMs: 3_600_000 })
    await held()
  })

  withLock('goes with the directory when it is moved after it was closed', async () => {
    const storage = await held()
    await storage.close()
    renameSync(data, join(home, 'moved'))
    await held(join(home, 'moved'))
    await expect(held(join(home, 'moved'))).rejects.toThrow('is in use')
  })

  withLock.each([
    ['is empty', ''],
    ['was cut short', '{"id":"1f0c","pid":'],
    ['is no lock at all', 'lorem ipsum'],
    ['holds something else', '[1, 2]']
  ])('gets in past a lock file that %s', async (_, content) => {
    mkdirSync(data)
    writeFileSync(join(data, '.lock'), content)
    await held()
  })

  withLock('gets in at once past an empty lock file that is old, as Apache Kafka leaves one', async () => {
    mkdirSync(data)
    writeFileSync(join(data, '.lock'), '')
    utimesSync(join(data, '.lock'), 1_700_000_000, 1_700_000_000)
    const storage = fileStorage(data, {
      kernelLock: kind === 'kernel',
      lockHeartbeatIntervalMs: 3_600_000,
      lockSessionTimeoutMs: 7_200_000
    })
    opened.push(storage)
    await storage.prepare()
  })

  withLock('repairs its lock file when somebody has damaged it, and keeps the directory', async () => {
    await held()
    truncateSync(join(data, '.lock'), 0)
    await expect(held()).rejects.toThrow('is in use by')
    appendFileSync(join(data, '.lock'), 'lorem ipsum')
    await expect(held()).rejects.toThrow('is in use by')
  })

  withLock('stops when its lock file was removed by hand and another has the directory', async () => {
    const storage = await held()
    const file = storage.open('a.log')
    await file.append(some)
    const lost = deferred<KafkaError>()
    storage.onLost = error => lost.resolve(error)
    rmSync(join(data, '.lock'))
    const next = await held()
    const theirs = next.open('a.log')
    await theirs.append(some)
    const { size } = statSync(join(data, 'a.log'))
    expect(() => file.append(some)).toThrow(`The lock on the directory \`${data}\` is lost: this process took it over at `)
    expect((await lost.promise).code).toBe('STORAGE_FAILED')
    await expect(file.sync()).rejects.toThrow('is lost')
    await expect(file.truncate(0)).rejects.toThrow('is lost')
    await expect(storage.remove('a.log')).rejects.toThrow('is lost')
    expect(() => storage.rename('a.log', 'b.log')).toThrow('is lost')
    expect(() => storage.open('b.log')).toThrow('is lost')
    expect(storage.readOnly).toBe(true)
    // What it has extended ahead belongs to the next one.
    await file.close()
    await storage.close()
    expect(statSync(join(data, 'a.log')).size).toBe(size)
    await theirs.append(some)
    await expect(held()).rejects.toThrow('is in use')
  })

  withLock('notices by itself that its lock file is gone', async () => {
    const storage = await held()
    const lost = deferred<KafkaError>()
    storage.onLost = error => lost.resolve(error)
    rmSync(join(data, '.lock'))
    expect((await lost.promise).message).toContain('somebody has removed the file `.lock`, or moved the directory')
  })

  withLock('stops when another directory stands in the place of its own', async () => {
    const storage = await held()
    const file = storage.open('a.log')
    await file.append(some)
    renameSync(data, join(home, 'elsewhere'))
    cpSync(join(home, 'elsewhere'), data, { recursive: true })
    await held()
    expect(() => file.append(some)).toThrow('is lost')
  })

  withLock('gets in at once after a process whose number another has now', async () => {
    await leave({ isReleased: false, startTicks: 1, sessionTimeoutMs: 3_600_000 })
    await held()
  })

  withLock('gets in at once after one that the machine did not survive', async () => {
    await leave({ isReleased: false, bootId: 'b1946ac9-2492-4d23-9f3a-0123456789ab', sessionTimeoutMs: 3_600_000 })
    await held()
  })

  withLock('waits for as long as an owner in another pid namespace may be silent', async () => {
    const silent = { isReleased: false, pidNamespace: 'pid:[1]', host: 'another', beat: 7 }
    await leave({ ...silent, beatAt: 0 })
    await held().then(storage => storage.close())
    await leave({ ...silent, timeNamespace: 'time:[1]', sessionTimeoutMs: 300 })
    expect(() => storageOf(data).list('')).toThrow('may be in use by process')
    await held()
  })

  withLock('waits in vain where that owner gives a sign of life', async () => {
    await leave({ isReleased: false, pidNamespace: 'pid:[1]', timeNamespace: 'time:[1]', host: 'another', sessionTimeoutMs: 3_600_000 })
    const refused = expect(held()).rejects.toThrow('is in use by process')
    setTimeout(() => writeFileSync(join(data, '.lock'), readFileSync(join(data, '.lock'), 'utf8').replace('"beat":0', '"beat":1')), 100)
    await refused
  })

  withLock('ends its wait when it is closed', async () => {
    await leave({ isReleased: false, pidNamespace: 'pid:[1]', timeNamespace: 'time:[1]', sessionTimeoutMs: 3_600_000 })
    const storage = storageOf(data)
    const waiting = expect(storage.prepare()).rejects.toMatchObject({ code: 'CLOSED' })
    await new Promise(resolve => setTimeout(resolve, 60))
    await storage.close()
    await waiting
  })

  withLock('honours the lock that an earlier version wrote on another host, for a while', async () => {
    mkdirSync(data)
    writeFileSync(join(data, '.lock'), JSON.stringify({ pid: 1, host: '3f2a9c51d0be', startTicks: 4711 }))
    expect(() => storageOf(data).list('')).toThrow('may be in use by process 1 on host 3f2a9c51d0be')
    await held()
    writeFileSync(join(home, '.lock'), JSON.stringify({ pid: process.pid, host: hostname() }))
    await expect(held(home)).rejects.toThrow('is in use by this process')
    rmSync(join(home, '.lock'))
  })

  withLock('is not misled by test runners that stop the time, nor by a clock that jumps', async () => {
    vi.useFakeTimers()
    const storage = await held()
    vi.setSystemTime(0)
    const file = storage.open('a.log')
    await file.append(some)
    vi.setSystemTime(4_000_000_000_000)
    await file.append(some)
    vi.advanceTimersByTime(3_600_000)
    await file.append(some)
    await expect(held()).rejects.toThrow('is in use')
    const { beat } = JSON.parse(readFileSync(join(data, '.lock'), 'utf8'))
    await expect.poll(() => JSON.parse(readFileSync(join(data, '.lock'), 'utf8')).beat).toBeGreaterThan(beat)
  })

  withLock('takes what a process left that was killed while it took the lock over', async () => {
    await leave({ isReleased: false, startTicks: 1, id: 'aa' })
    const { place: _, ...dead } = JSON.parse(readFileSync(join(data, '.lock'), 'utf8'))
    writeFileSync(join(data, '.lock.after-aa'), JSON.stringify({ ...dead, id: 'bb' }))
    writeFileSync(join(data, '.lock.after-cc'), JSON.stringify({ ...dead, id: 'dd' }))
    writeFileSync(join(data, '.lock.draft-ee'), JSON.stringify({ ...dead, id: 'ee' }))
    const storage = await held()
    expect(readdirSync(data)).toEqual(['.lock'])
    expect(storage.list('')).toEqual([])
  })

  withLock('waits for one that is about to take the lock over', async () => {
    await leave({ isReleased: false, startTicks: 1, id: 'aa' })
    const { place: _, ...dead } = JSON.parse(readFileSync(join(data, '.lock'), 'utf8'))
    const alive = { ...dead, id: 'bb', pidNamespace: 'pid:[1]', timeNamespace: 'time:[1]', host: 'another' }
    writeFileSync(join(data, '.lock.after-aa'), JSON.stringify({ ...alive, sessionTimeoutMs: 300 }))
    expect(() => storageOf(data).list('')).toThrow('may be in use by process')
    await held()
    expect(readdirSync(data)).toEqual(['.lock'])
  })

  it.runIf(isThere && canMount)('is the owner through a bind mount, too', async () => {
    await held()
    const mounted = join(home, 'mounted')
    mkdirSync(mounted)
    expect(spawnSync('mount', ['--bind', data, mounted]).status).toBe(0)
    try {
      await expect(held(mounted)).rejects.toThrow('is in use by this process')
    } finally {
      spawnSync('umount', [mounted])
    }
  })

  it.runIf(isThere && canMount)('cannot be one on a file system that is read-only, where one can look', async () => {
    mkdirSync(data)
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', data]).status).toBe(0)
    try {
      await (await Cluster.open({ storage: storageOf(data) })).close()
      expect(spawnSync('mount', ['-o', 'remount,ro', data]).status).toBe(0)
      await expect(held()).rejects.toThrow('read-only file system, open')
      await expect(held()).rejects.toThrow('to look at it, open it with `readOnly: true`')
      await (await Cluster.open({ storage: storageOf(data, { readOnly: true }) })).close()
    } finally {
      spawnSync('umount', [data])
    }
  })
})

describe('an owner with a lock in the kernel and one without', () => {
  const withKernel = it.runIf(hasKernelLocks)

  withKernel.each([true, false])('exclude each other, whichever comes first (the first has it: %s)', async kernelLock => {
    const first = fileStorage(data, { kernelLock })
    opened.push(first)
    await first.prepare()
    const second = fileStorage(data, { kernelLock: !kernelLock })
    await expect(second.prepare()).rejects.toThrow('is in use by this process')
    expect(() => second.list('')).toThrow('is in use by this process')
    await first.close()
    await second.prepare()
    await expect(first.prepare()).rejects.toThrow('is in use by this process')
    await second.close()
  })

  withKernel('exclude each other through the list of the locks, where the process cannot be seen', async () => {
    const first = fileStorage(data)
    opened.push(first)
    await first.prepare()
    const path = join(data, '.lock')
    const elsewhere = { pidNamespace: 'pid:[1]', timeNamespace: 'time:[1]', host: 'another', beat: 1 }
    const content = JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...elsewhere })
    writeFileSync(path, content)
    for (const kernelLock of [true, false]) expect(() => fileStorage(data, { kernelLock }).list('')).toThrow(' on host another since')
    await first.close()
    writeFileSync(path, content)
    const second = fileStorage(data, { kernelLock: false })
    opened.push(second)
    expect(second.list('')).toEqual([])
  })
})

describe('the options of a lock', () => {
  it('are checked at the call', () => {
    expect(() => fileStorage(data, { lockHeartbeatIntervalMs: 0 })).toThrow(/Expected `lockHeartbeatIntervalMs` to be .*, got `0`/)
    expect(() => fileStorage(data, { lockSessionTimeoutMs: 1999 })).toThrow(/Expected `lockSessionTimeoutMs` to be .*, got `1999`/)
    expect(() => fileStorage(data, { kernelLock: 1 as never })).toThrow(/Expected `kernelLock` to be .*, got `1`/)
    expect(existsSync(data)).toBe(false)
  })
})

describe('a cluster that has lost its directory', () => {
  it('refuses everything with the reason, tells of it, acknowledges nothing, and closes', async () => {
    const first = await Cluster.open({ storage: fileStorage(data, { durability: 'always' }) })
    const fenced = deferred<KafkaError>()
    first.on('fenced', ({ error }) => fenced.resolve(error))
    first.on('error', () => {})
    const producer = first.producer()
    await producer.send('t', { value: 'a' })
    const consumer = first.consumer({ topics: ['t'], autoOffsetReset: 'earliest' })
    const reading = (async () => {
      for await (const { offset } of consumer) expect(offset).toBe(0)
    })()
    reading.catch(() => {})
    rmSync(join(data, '.lock'))
    const second = await Cluster.open({ storage: fileStorage(data) })
    await expect(producer.send('t', { value: 'b' })).rejects.toMatchObject({ code: 'STORAGE_FAILED', retriable: false })
    expect((await fenced.promise).message).toContain('this process took it over at')
    await expect(first.admin().createTopic({ name: 'u' })).rejects.toThrow('is lost')
    await expect(reading).rejects.toThrow('is lost')
    await first.close()
    await second.producer().send('t', { value: 'c' })
    await second.close()
    const third = await Cluster.open({ storage: fileStorage(data) })
    const values: string[] = []
    for await (const { value, offset } of third.consumer({ topics: ['t'], autoOffsetReset: 'earliest' })) {
      values[offset] = Buffer.from(value).toString()
      if (offset === third.topic('t').partitions[0].log.logEndOffset - 1) break
    }
    await third.close()
    expect(values).toEqual(['a', 'c'])
  })
})
