import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cluster } from '../../../src/cluster.js'
import { type FileStorageOptions, fileStorage } from '../../../src/storage/file/index.js'
import { KernelLocks } from '../../../src/storage/file/lock/kernel-locks.js'
import { hasContainers, Occupant, type OccupantOptions, programOf, removePrograms } from './occupant.js'
import { race } from './race.js'

let home: string
let data: string
const occupants: Occupant[] = []
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millrace-owner-'))
  data = join(home, 'data')
})
afterEach(async () => {
  await Promise.all(occupants.splice(0).map(occupant => occupant.kill()))
  rmSync(home, { recursive: true, force: true })
})

afterAll(removePrograms)

const hasKernelLocks = KernelLocks.load() !== undefined

async function occupant(options?: OccupantOptions): Promise<Occupant> {
  const started = await Occupant.start(options)
  occupants.push(started)
  return started
}

/** So long that no test ends before it is over. */
const never = 3_600_000

async function isFree(options: FileStorageOptions = {}): Promise<boolean> {
  const storage = fileStorage(data, options)
  try {
    await storage.prepare()
    return true
  } catch (error) {
    expect((error as Error).message).toContain('is in use by')
    return false
  } finally {
    await storage.close()
  }
}

async function valuesIn(directory: string): Promise<string[]> {
  await using cluster = await Cluster.open({ storage: fileStorage(directory) })
  const { log } = cluster.topic('t').partitions[0]
  const values: string[] = []
  await using consumer = cluster.consumer({ topics: ['t'], autoOffsetReset: 'earliest' })
  for await (const { value, offset } of consumer) {
    values.push(Buffer.from(value).toString())
    if (offset === log.logEndOffset - 1) break
  }
  return values
}

describe.each([
  { kind: 'kernel', kernelLock: true, isThere: hasKernelLocks },
  { kind: 'heartbeat', kernelLock: false, isThere: true }
] as const)('a directory that is held by a $kind lock', ({ kind, kernelLock, isThere }) => {
  const options = { kernelLock, lockHeartbeatIntervalMs: 100, lockSessionTimeoutMs: never }
  const withLock = it.runIf(isThere)
  /** These need root and `unshare`, for pid namespaces and host names. */
  const withContainers = it.runIf(isThere && hasContainers)

  withLock('belongs to a process until it is killed, and is free at once', async () => {
    const first = await occupant()
    expect(await first.ask({ do: 'hold', directory: data, options })).toMatchObject({ kind })
    await expect(fileStorage(data, options).prepare()).rejects.toThrow(`The directory \`${data}\` is in use by process ${first.pid} since `)
    await first.kill()
    expect(await isFree(options)).toBe(true)
  })

  withLock('is free once its process is killed, though the parent has not been told', async () => {
    const first = await occupant({ isNeverWaitedFor: true })
    await first.ask({ do: 'hold', directory: data, options })
    expect(await isFree(options)).toBe(false)
    process.kill(first.pid, 'SIGKILL')
    await expect.poll(() => readFileSync(`/proc/${first.pid}/stat`, 'latin1')).toMatch(/\) Z /)
    expect(await isFree(options)).toBe(true)
  })

  withLock('belongs to a worker until it is terminated, and is free at once', async () => {
    const worker = new Worker(await programOf('worker'), { workerData: { directory: data, options } })
    await once(worker, 'message')
    await expect(fileStorage(data, options).prepare()).rejects.toThrow(`is in use by this process, in worker ${worker.threadId}`)
    await worker.terminate()
    expect(await isFree(options)).toBe(true)
  })

  withContainers('belongs to one of two containers of the same host name (needs root and unshare)', async () => {
    const first = await occupant({ container: 'twin' })
    const second = await occupant({ container: 'twin' })
    await first.ask({ do: 'open', directory: data, options })
    expect(await first.ask({ do: 'send', value: 'a' })).toMatchObject({ offset: 0 })
    const { error } = await second.ask({ do: 'open', directory: data, options })
    expect(error).toContain('in another container on host twin')
    expect(await isFree(options)).toBe(false)
    expect(await first.ask({ do: 'send', value: 'b' })).toMatchObject({ offset: 1 })
    await first.ask({ do: 'close' })
    expect(await second.ask({ do: 'open', directory: data, options })).toMatchObject({ kind })
    expect(await second.ask({ do: 'send', value: 'c' })).toMatchObject({ offset: 2 })
    await second.ask({ do: 'close' })
    expect(await valuesIn(data)).toEqual(['a', 'b', 'c'])
  })

  withContainers('is left by a killed container to its successor of another host name (needs root and unshare)', async () => {
    const session = kernelLock ? options : { ...options, lockSessionTimeoutMs: 1000 }
    const first = await occupant({ container: 'pod-1' })
    await first.ask({ do: 'open', directory: data, options: session })
    await first.ask({ do: 'send', value: 'a' })
    await first.kill()
    const second = await occupant({ container: 'pod-2' })
    expect(await second.ask({ do: 'open', directory: data, options: session })).toMatchObject({ kind })
    expect(await second.ask({ do: 'send', value: 'b' })).toMatchObject({ offset: 1 })
  })

  withContainers('goes from an owner that stood still to the next only without the kernel (needs root and unshare)', async () => {
    const session = { ...options, lockSessionTimeoutMs: 1000 }
    const first = await occupant({ container: 'slow' })
    await first.ask({ do: 'open', directory: data, options: session })
    await first.ask({ do: 'flood', label: 'a' })
    await expect.poll(() => first.acknowledged.length).toBeGreaterThan(20)
    first.stop()
    const second = await occupant({ container: 'quick' })
    const answer = await second.ask({ do: 'open', directory: data, options: session })
    if (kernelLock) {
      expect(answer.error).toContain('in use by process 1 on host slow')
      const { length } = first.acknowledged
      first.goOn()
      return expect.poll(() => first.acknowledged.length).toBeGreaterThan(length)
    }
    expect(answer).toMatchObject({ kind })
    await second.ask({ do: 'send', value: 'b' })
    const before = first.acknowledged.length
    first.goOn()
    expect(await first.event('refused')).toContain('process 1 on host quick took it over at')
    expect(await first.event('fenced')).toContain('is lost')
    // At most what it had been told before it stood still, and could not pass on.
    expect(first.acknowledged.length - before).toBeLessThanOrEqual(1)
    expect(await first.ask({ do: 'send', value: 'a' })).toMatchObject({ code: 'STORAGE_FAILED' })
    await first.ask({ do: 'close' })
    await second.ask({ do: 'send', value: 'c' })
    await second.ask({ do: 'close' })
    const values = await valuesIn(data)
    expect(values.slice(-2)).toEqual(['b', 'c'])
    for (const value of first.acknowledged) expect(values).toContain(value)
  })

  withLock('gets one owner of many that want it at the same time', { timeout: 120_000 }, async () => {
    const seed = Math.floor(Math.random() * 1_000_000)
    const tally = await race({ races: 6, racers: 3, seed, kernelLockShare: kernelLock ? 1 : 0, sessionTimeoutMs: 1500 })
    expect(tally, `seed ${seed}`).toMatchObject({ races: 6, doubles: 0, none: 0 })
  })

  withLock('can be looked at all the time, by readers whom its owner does not notice', { timeout: 60_000 }, async () => {
    const first = await occupant()
    await first.ask({ do: 'open', directory: data, options })
    await first.ask({ do: 'flood', label: 'a' })
    await expect.poll(() => first.acknowledged.length).toBeGreaterThan(20)
    const { id } = JSON.parse(readFileSync(join(data, '.lock'), 'utf8'))
    for (let i = 0; i < 20; i++) {
      const least = first.acknowledged.length
      await using onlooker = await Cluster.open({ storage: fileStorage(data, { readOnly: true }) })
      expect(onlooker.topic('t').partitions[0].log.logEndOffset).toBeGreaterThanOrEqual(least)
    }
    expect(JSON.parse(readFileSync(join(data, '.lock'), 'utf8')).id).toBe(id)
    const { length } = first.acknowledged
    await expect.poll(() => first.acknowledged.length).toBeGreaterThan(length)
  })
})

describe('a directory whose users have a lock in the kernel or have none', () => {
  const withContainers = it.runIf(hasKernelLocks && hasContainers)

  withContainers.each([true, false])(
    'excludes others from another container (needs root and unshare; the first has it: %s)',
    async kernelLock => {
      const session = { lockHeartbeatIntervalMs: 100, lockSessionTimeoutMs: 1000 }
      const first = await occupant({ container: 'pod-1' })
      await first.ask({ do: 'hold', directory: data, options: { ...session, kernelLock } })
      expect(await isFree({ ...session, kernelLock: !kernelLock })).toBe(false)
      // Where the kernel has the lock, those see it who cannot take one.
      first.stop()
      if (kernelLock) expect(await isFree({ ...session, kernelLock: false })).toBe(false)
      await first.kill()
      expect(await isFree({ ...session, kernelLock: !kernelLock })).toBe(true)
    }
  )

  it.runIf(hasKernelLocks)('gets one owner of many that want it at the same time', { timeout: 120_000 }, async () => {
    const seed = Math.floor(Math.random() * 1_000_000)
    const tally = await race({ races: 6, racers: 3, seed, kernelLockShare: 0.5, sessionTimeoutMs: 1500 })
    expect(tally, `seed ${seed}`).toMatchObject({ races: 6, doubles: 0, none: 0 })
  })
})
