import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import type { Storage } from '../../src/storage/storage.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { storageContract } from '../../src/testing/storage-contract.js'

function newDisk(seed = 1, capacityBytes?: number): SimulatedDisk {
  return new SimulatedDisk({ random: seededRandom(seed), capacityBytes })
}

function bytes(length: number, value = 7): Uint8Array {
  return new Uint8Array(length).fill(value)
}

async function write(storage: Storage, name: string, content: Uint8Array, options: { sync?: boolean } = {}): Promise<void> {
  const file = await storage.open(name)
  await file.append(content)
  if (options.sync) await file.sync()
  await file.close()
}

/** The code of the operating system's error, as a storage passes it on. */
async function reasonOf(call: () => unknown): Promise<string | undefined> {
  try {
    await call()
  } catch (error) {
    return ((error as Error).cause as { code?: string })?.code
  }
  return undefined
}

/** What many disks, of different luck, have of a file after a power cut. */
async function fates(name: string, prepare: (storage: Storage, disk: SimulatedDisk) => Promise<void>): Promise<(Uint8Array | undefined)[]> {
  const found: (Uint8Array | undefined)[] = []
  for (let seed = 1; seed <= 60; seed++) {
    const disk = newDisk(seed)
    await prepare(disk.mount(), disk)
    disk.crash('power')
    found.push(disk.content(name))
  }
  return found
}

describe('a simulated disk', () => {
  for (const { name, run } of storageContract({ open: () => newDisk().mount() })) it(`as a storage: ${name}`, run)

  for (const { name, run } of storageContract({ open: () => newDisk(3).mount({ syncEachAppend: true, maxSyncWriteBytes: 0 }) }))
    it(`as a slow storage that syncs: ${name}`, run)

  it('keeps, when a process ends, all that it has written', async () => {
    const disk = newDisk()
    await write(disk.mount(), 'orders-0/a.log', bytes(2000))
    disk.crash('process')
    expect(disk.content('orders-0/a.log')).toEqual(bytes(2000))
    const file = await disk.mount().open('orders-0/a.log')
    expect(file.length).toBe(2000)
  })

  it('may keep a part, from the start on, of what a process was writing when it ended', async () => {
    const lengths = new Set<number>()
    for (let seed = 1; seed < 60; seed++) {
      const disk = newDisk(seed)
      const file = await disk.mount({ maxSyncWriteBytes: 10 }).open('a.log')
      file.append(bytes(3))
      Promise.resolve(file.append(bytes(100, 8))).catch(() => {})
      disk.crash('process')
      const content = disk.content('a.log') as Uint8Array
      expect([...content]).toEqual([...bytes(3), ...bytes(100, 8)].slice(0, content.length))
      expect(content.length).toBeGreaterThanOrEqual(3)
      lengths.add(content.length)
    }
    expect(lengths.size).toBeGreaterThan(10)
  })

  it('keeps, when the power is cut, what was synced with its name', async () => {
    const found = await fates('orders-0/a.log', async storage => {
      await write(storage, 'orders-0/a.log', bytes(2000), { sync: true })
      await storage.syncFolder('orders-0')
      await storage.syncFolder('')
    })
    expect(found.every(content => content?.length === 2000 && content.every(byte => byte === 7))).toBe(true)
  })

  it('may lose a name whose folder was not synced, and a folder whose parent was not', async () => {
    const unsyncedFile = await fates('orders-0/a.log', async storage => {
      await write(storage, 'orders-0/first.log', bytes(1), { sync: true })
      await storage.syncFolder('orders-0')
      await storage.syncFolder('')
      await write(storage, 'orders-0/a.log', bytes(1), { sync: true })
    })
    const unsyncedFolder = await fates('orders-0/a.log', async storage => {
      await write(storage, 'orders-0/a.log', bytes(1), { sync: true })
      await storage.syncFolder('orders-0')
    })
    for (const found of [unsyncedFile, unsyncedFolder]) {
      expect(found.some(content => content === undefined)).toBe(true)
      expect(found.some(content => content !== undefined)).toBe(true)
    }
  })

  it('may lose sectors of what was not synced, and leaves what was', async () => {
    const found = await fates('a.log', async storage => {
      const file = await storage.open('a.log')
      await file.append(bytes(700, 1))
      await file.sync()
      await storage.syncFolder('')
      for (let i = 0; i < 8; i++) await file.append(bytes(500, 2))
    })
    for (const content of found) expect(content?.subarray(0, 700)).toEqual(bytes(700, 1))
    const tails = found.map(content => (content as Uint8Array).subarray(700))
    expect(tails.some(tail => tail.length === 4000 && tail.every(byte => byte === 2))).toBe(true)
    expect(tails.some(tail => tail.length === 0)).toBe(true)
    // A hole: a sector that was not written stands before one that was.
    expect(tails.some(tail => tail.includes(0) && tail.lastIndexOf(2) > tail.indexOf(0))).toBe(true)
  })

  it('may forget a cut that was not synced', async () => {
    const found = await fates('a.log', async storage => {
      const file = await storage.open('a.log')
      await file.append(bytes(700, 1))
      await file.sync()
      await storage.syncFolder('')
      await file.truncate(100)
      await file.append(bytes(50, 2))
    })
    const lengths = new Set(found.map(content => content?.length))
    expect(lengths.has(700)).toBe(true)
    expect(lengths.has(150)).toBe(true)
    for (const content of found) expect(content?.subarray(0, 100)).toEqual(bytes(100, 1))
  })

  it('renames a file or a folder as a whole, or not at all', async () => {
    const found: string[][] = []
    for (let seed = 1; seed <= 40; seed++) {
      const disk = newDisk(seed)
      disk.put('orders-0/a.log', bytes(10))
      disk.put('orders-0/b.log', bytes(10))
      disk.put('checkpoint.tmp', bytes(5, 1))
      disk.put('checkpoint', bytes(5, 2))
      const storage = disk.mount()
      await storage.rename('orders-0', 'orders-0.deleted')
      await storage.rename('checkpoint.tmp', 'checkpoint')
      disk.crash('power')
      const names = Object.keys(disk.files()).sort()
      found.push(names)
      const folder = names.includes('orders-0/a.log') ? 'orders-0' : 'orders-0.deleted'
      expect(names).toEqual(expect.arrayContaining([`${folder}/a.log`, `${folder}/b.log`, 'checkpoint']))
      expect(disk.content('checkpoint')).toEqual(bytes(5, names.includes('checkpoint.tmp') ? 2 : 1))
    }
    expect(new Set(found.map(String)).size).toBe(3)
  })

  it('brings back what was removed when its folder was not synced', async () => {
    const found: (Uint8Array | undefined)[] = []
    for (let seed = 1; seed <= 20; seed++) {
      const disk = newDisk(seed)
      disk.put('orders-0/a.log', bytes(10))
      await disk.mount().remove('orders-0/a.log')
      disk.crash('power')
      found.push(disk.content('orders-0/a.log'))
    }
    expect(found.some(content => content === undefined)).toBe(true)
    expect(found.some(content => content?.length === 10)).toBe(true)
  })

  it('never writes what a failed sync was to write, but tells so only once', async () => {
    const found = await fates('a.log', async (storage, disk) => {
      const file = await storage.open('a.log')
      await storage.syncFolder('')
      await file.append(bytes(5000, 1))
      disk.fail({ operation: 'sync' })
      expect(await reasonOf(() => file.sync())).toBe('EIO')
      expect(await reasonOf(() => file.sync())).toBe('EIO')
      expect(await reasonOf(() => file.append(bytes(1)))).toBe('EIO')
      // Another descriptor knows nothing of it.
      await (await storage.open('a.log')).sync()
    })
    expect(found.some(content => content?.includes(0))).toBe(true)
  })

  it('fails one operation, of one kind, on one file, after some others', async () => {
    const disk = newDisk()
    const storage = disk.mount()
    const one = await storage.open('one')
    const two = await storage.open('two')
    disk.fail({ operation: 'append', name: /two/, code: 'ENOSPC', after: 1 })
    one.append(bytes(1))
    two.append(bytes(1))
    one.append(bytes(1))
    expect(await reasonOf(() => two.append(bytes(1)))).toBe('ENOSPC')
    expect(await reasonOf(() => two.append(bytes(1)))).toBe(undefined)
    expect(disk.faultsMet).toBe(1)
    disk.fail({})
    expect(await reasonOf(() => storage.list(''))).toBe('EIO')
    disk.fail({})
    disk.mend()
    expect(await reasonOf(() => storage.list(''))).toBe(undefined)
  })

  it('may have written a part of an append that failed', async () => {
    const lengths = new Set<number>()
    for (let seed = 1; seed <= 40; seed++) {
      const disk = newDisk(seed)
      const file = await disk.mount().open('a.log')
      await file.append(bytes(10))
      disk.fail({ operation: 'append' })
      await reasonOf(() => file.append(bytes(100)))
      expect(file.length).toBe(disk.content('a.log')?.length)
      lengths.add(file.length)
      await file.truncate(10)
      await file.append(bytes(5, 8))
      expect(disk.content('a.log')).toEqual(Uint8Array.of(...bytes(10), ...bytes(5, 8)))
    }
    expect(lengths.size).toBeGreaterThan(5)
  })

  it('is full at its capacity, and has room again when something is removed', async () => {
    const disk = newDisk(1, 1000)
    const storage = disk.mount()
    await write(storage, 'old.log', bytes(900))
    const file = await storage.open('new.log')
    expect(await reasonOf(() => file.append(bytes(200)))).toBe('ENOSPC')
    await file.truncate(0)
    await storage.remove('old.log')
    await file.append(bytes(200))
    expect(disk.files()).toEqual({ 'new.log': 200 })
  })

  it('stops after so many operations, and is used again after a crash', async () => {
    const disk = newDisk()
    const storage = disk.mount()
    const file = await storage.open('a.log')
    await file.append(bytes(5))
    disk.stopAfter(2)
    await file.append(bytes(5))
    expect(disk.hasStopped).toBe(false)
    expect(await reasonOf(() => storage.list(''))).toBe('EIO')
    expect(disk.hasStopped).toBe(true)
    expect(await reasonOf(() => file.append(bytes(5)))).toBe('EIO')
    disk.crash('process')
    const again = disk.mount()
    expect(await again.list('')).toEqual(['a.log'])
    expect(await reasonOf(() => file.append(bytes(5)))).toBe('EIO')
    expect(await reasonOf(() => storage.list(''))).toBe('EIO')
  })

  it('may leave zeros after what was written, as a file that was made longer ahead', async () => {
    const lengths = new Set<number>()
    for (let seed = 1; seed <= 20; seed++) {
      const disk = newDisk(seed)
      await write(disk.mount(), 'closed.log', bytes(10))
      const storage = disk.mount()
      await (await storage.open('a.log')).append(bytes(10))
      disk.crash('process')
      const content = disk.content('a.log') as Uint8Array
      expect(content.subarray(0, 10)).toEqual(bytes(10))
      expect(content.subarray(10).every(byte => byte === 0)).toBe(true)
      expect(disk.content('closed.log')).toEqual(bytes(10))
      lengths.add(content.length)
    }
    expect(lengths.size).toBeGreaterThan(3)
  })

  it('flips a bit for good', () => {
    const disk = newDisk()
    disk.put('orders-0/a.log', bytes(100, 0))
    disk.put('meta.properties', bytes(100, 0))
    const { name, position, bit } = disk.flipBit(/log$/) as { name: string; position: number; bit: number }
    expect(name).toBe('orders-0/a.log')
    disk.crash('power')
    expect(disk.content(name)?.[position]).toBe(1 << bit)
    expect(disk.flipBit(/nothing/)).toBeUndefined()
  })

  it('does the same for the same seed', async () => {
    const story = async (seed: number) => {
      const disk = newDisk(seed)
      const storage = disk.mount({ syncEachAppend: true })
      for (let i = 0; i < 10; i++) await write(storage, `${i % 3}/${i}.log`, bytes(600, i))
      disk.crash('power')
      return JSON.stringify([disk.files(), disk.operationCount])
    }
    expect(await story(5)).toBe(await story(5))
    expect(await story(5)).not.toBe(await story(6))
  })
})
