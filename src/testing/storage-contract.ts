import type { MaybePromise } from '../common/deferred.js'
import { release } from '../common/lease.js'
import { expectFunction, expectFunctions } from '../common/options.js'
import type { Storage, StorageFile } from '../storage/storage.js'

/** Gives the contract suite the storage under test. */
export interface StorageUnderTest {
  /** A new, empty storage. */
  open(): MaybePromise<Storage>
  /**
   * The same storage as a new process would find it; `storage` has been closed. Leave it out for a
   * storage that is not durable.
   */
  reopen?(storage: Storage): MaybePromise<Storage>
}

/** One rule of the contract: it holds when `run` resolves. */
export interface ContractCase {
  readonly name: string
  run(): Promise<void>
}

/**
 * The contract of a `Storage`, on which the safety of a `Log` rests, as named cases for any test
 * runner:
 *
 * ```ts
 * for (const { name, run } of storageContract({ open: () => new MyStorage() })) test(name, run)
 * ```
 */
export function storageContract(subject: StorageUnderTest): ContractCase[] {
  expectFunctions('subject', subject, ['open'], 'a way to open the storage under test')
  if (subject.reopen !== undefined) expectFunction('reopen', subject.reopen)
  const cases: ContractCase[] = []
  const rule = (name: string, check: (storage: Storage) => Promise<void>) => {
    cases.push({
      name,
      run: async () => {
        const storage = await subject.open()
        try {
          await check(storage)
        } finally {
          await storage.close()
        }
      }
    })
  }

  rule('a file that was just created is empty', async storage => {
    const file = await storage.open('a.log')
    equal(file.length, 0, 'length')
    equal((await file.read(0, 10)).length, 0, 'bytes read')
    await file.close()
  })

  rule('what was appended is read back', async storage => {
    const file = await storage.open('a.log')
    await file.append(pattern(100, 1))
    await file.append(pattern(50, 2))
    equal(file.length, 150, 'length')
    sameBytes(await contentOf(file), joined(pattern(100, 1), pattern(50, 2)))
    await file.close()
  })

  rule('a read begins and ends where it is told', async storage => {
    const file = await storage.open('a.log')
    await file.append(pattern(100, 1))
    sameBytes(await file.read(10, 20), pattern(100, 1).slice(10, 30))
    sameBytes(await file.read(90, 1000), pattern(100, 1).slice(90))
    equal((await file.read(100, 10)).length, 0, 'bytes at the end')
    await file.close()
  })

  rule('what one append added is read in one piece, however large', async storage => {
    const file = await storage.open('a.log')
    const sizes = [1, 5000, 70_000, 3, 1_500_000, 900_000, 900_000]
    let position = 0
    for (const [i, size] of sizes.entries()) await file.append(pattern(size, i))
    for (const [i, size] of sizes.entries()) {
      const view = await file.read(position, size)
      sameBytes(view, pattern(size, i))
      release(view)
      if (size > 10) sameBytes(await file.read(position + 5, size - 5), pattern(size, i).slice(5))
      position += size
    }
    await file.close()
  })

  rule('a reader gets through the whole file, in pieces that are never empty', async storage => {
    const file = await storage.open('a.log')
    for (let i = 0; i < 200; i++) await file.append(pattern(997, i))
    for (const maxBytes of [1, 100, 4096, 1_000_000]) {
      let position = maxBytes === 1 ? file.length - 50 : 0
      while (position < file.length) {
        const view = await file.read(position, maxBytes)
        if (view.length === 0 || view.length > maxBytes) throw new Error(`A read of at most ${maxBytes} bytes returned ${view.length}`)
        equal(view[0], pattern(997, Math.floor(position / 997))[position % 997], `the byte at ${position}`)
        position += view.length
        release(view)
      }
    }
    await file.close()
  })

  rule('appends are applied in the order of the calls, without waiting in between', async storage => {
    const file = await storage.open('a.log')
    const parts = Array.from({ length: 20 }, (_, i) => pattern(i * 100, i))
    const appends = parts.map(part => file.append(part))
    equal(file.length, joined(...parts).length, 'length right after the calls')
    await Promise.all(appends)
    sameBytes(await contentOf(file), joined(...parts))
    await file.close()
  })

  rule('the bytes that were appended may be used again afterwards', async storage => {
    const file = await storage.open('a.log')
    const bytes = pattern(100, 1)
    await file.append(bytes)
    bytes.fill(0)
    sameBytes(await file.read(0, 100), pattern(100, 1))
    await file.close()
  })

  rule('bytes that were lent stay as they are while the file grows and is cut', async storage => {
    const file = await storage.open('a.log')
    await file.append(pattern(100, 1))
    const view = await file.read(0, 100)
    await file.append(pattern(100, 2))
    await file.truncate(20)
    await file.append(pattern(200, 3))
    sameBytes(view, pattern(100, 1))
    release(view)
    sameBytes(await contentOf(file), joined(pattern(100, 1).slice(0, 20), pattern(200, 3)))
    await file.close()
  })

  rule('a file is cut to a length and goes on from there', async storage => {
    const file = await storage.open('a.log')
    for (let i = 0; i < 10; i++) await file.append(pattern(1000, i))
    await file.truncate(2500)
    equal(file.length, 2500, 'length')
    await file.append(pattern(10, 99))
    sameBytes(await contentOf(file), joined(pattern(1000, 0), pattern(1000, 1), pattern(1000, 2).slice(0, 500), pattern(10, 99)))
    await file.truncate(0)
    equal(file.length, 0, 'length')
    await file.append(pattern(10, 7))
    sameBytes(await contentOf(file), pattern(10, 7))
    await file.close()
  })

  rule('cutting a file to more than it has changes nothing', async storage => {
    const file = await storage.open('a.log')
    await file.append(pattern(10, 1))
    await file.truncate(20)
    equal(file.length, 10, 'length')
    sameBytes(await contentOf(file), pattern(10, 1))
    await file.close()
  })

  rule('a file that was closed is opened again with its content', async storage => {
    await write(storage, 'folder/a.log', pattern(5000, 1))
    await write(storage, 'folder/a.log', pattern(5000, 2))
    sameBytes(await read(storage, 'folder/a.log'), joined(pattern(5000, 1), pattern(5000, 2)))
  })

  rule('closing twice does no harm', async storage => {
    const file = await storage.open('a.log')
    await file.append(pattern(10, 1))
    await file.sync()
    await file.close()
    await file.close()
    sameBytes(await read(storage, 'a.log'), pattern(10, 1))
  })

  rule('a file that is closed is neither read nor written', async storage => {
    const file = await storage.open('a.log')
    await file.append(pattern(100, 1))
    await file.close()
    await refused('read', () => file.read(0, 100))
    await refused('append', () => file.append(pattern(10, 2)))
    await refused('truncate', () => file.truncate(10))
    sameBytes(await read(storage, 'a.log'), pattern(100, 1))
  })

  rule('reads that are under way when their file is closed never give the bytes of another', async storage => {
    await write(storage, 'a.log', pattern(400_000, 1))
    await write(storage, 'b.log', pattern(400_000, 2))
    const file = await storage.open('a.log')
    const reads = Array.from({ length: 16 }, async () => file.read(0, 400_000))
    const closing = file.close()
    sameBytes(await read(storage, 'b.log'), pattern(400_000, 2))
    await closing
    for (const outcome of await Promise.allSettled(reads)) {
      if (outcome.status === 'fulfilled') sameBytes(outcome.value, pattern(400_000, 1).subarray(0, outcome.value.length))
    }
  })

  rule('a folder lists the files and folders that are directly in it', async storage => {
    await write(storage, 'orders-0/1.log', pattern(1, 1))
    await write(storage, 'orders-0/1.index', pattern(1, 1))
    await write(storage, 'orders-1/1.log', pattern(1, 1))
    await write(storage, 'meta.properties', pattern(1, 1))
    sameNames(await storage.list(''), ['meta.properties', 'orders-0', 'orders-1'])
    sameNames(await storage.list('orders-0'), ['1.index', '1.log'])
    sameNames(await storage.list('nothing-here'), [])
  })

  rule('a file that was removed is gone, and its name is free', async storage => {
    await write(storage, 'orders-0/1.log', pattern(10, 1))
    await write(storage, 'orders-0/2.log', pattern(10, 2))
    await storage.remove('orders-0/1.log')
    sameNames(await storage.list('orders-0'), ['2.log'])
    await write(storage, 'orders-0/1.log', pattern(10, 3))
    sameBytes(await read(storage, 'orders-0/1.log'), pattern(10, 3))
  })

  rule('a folder is removed with all that is in it, and goes with its last file', async storage => {
    await write(storage, 'orders-0/1.log', pattern(10, 1))
    await write(storage, 'orders-0/deep/2.log', pattern(10, 2))
    await write(storage, 'orders-1/1.log', pattern(10, 3))
    await storage.remove('orders-0')
    sameNames(await storage.list(''), ['orders-1'])
    await storage.remove('orders-1/1.log')
    sameNames(await storage.list('orders-1'), [])
    sameNames(await storage.list(''), [])
  })

  rule('removing what is not there does nothing', async storage => {
    await storage.remove('nothing-here')
    await storage.remove('no/such/file.log')
    sameNames(await storage.list(''), [])
  })

  rule('a file that is removed while it is open can be read until it is closed', async storage => {
    const file = await storage.open('orders-0/1.log')
    await file.append(pattern(5000, 1))
    const view = await file.read(0, 5000)
    await storage.remove('orders-0/1.log')
    await write(storage, 'orders-0/1.log', pattern(5000, 2))
    sameBytes(await contentOf(file), pattern(5000, 1))
    sameBytes(view, pattern(5000, 1))
    await file.close()
  })

  rule('bytes that were lent outlive the removal of their file', async storage => {
    const file = await storage.open('a.log')
    await file.append(pattern(5000, 1))
    const view = await file.read(0, 5000)
    await storage.remove('a.log')
    await file.close()
    for (let i = 0; i < 5; i++) await write(storage, `${i}.log`, pattern(5000, 2))
    sameBytes(view, pattern(5000, 1))
    release(view)
  })

  rule('a file is renamed, and replaces one that had the name', async storage => {
    await write(storage, 'checkpoint.tmp', pattern(10, 1))
    await write(storage, 'checkpoint', pattern(99, 2))
    await storage.rename('checkpoint.tmp', 'checkpoint')
    sameNames(await storage.list(''), ['checkpoint'])
    sameBytes(await read(storage, 'checkpoint'), pattern(10, 1))
  })

  rule('a file that is renamed while it is open goes on, and one that it replaces can be read until it is closed', async storage => {
    const old = await storage.open('orders-0/1.log')
    await old.append(pattern(5000, 1))
    const fresh = await storage.open('orders-0/1.log.swap')
    await fresh.append(pattern(3000, 2))
    await storage.rename('orders-0/1.log.swap', 'orders-0/1.log')
    sameBytes(await contentOf(old), pattern(5000, 1))
    sameBytes(await contentOf(fresh), pattern(3000, 2))
    await fresh.append(pattern(100, 3))
    await fresh.sync()
    await old.close()
    await fresh.close()
    sameNames(await storage.list('orders-0'), ['1.log'])
    sameBytes(await read(storage, 'orders-0/1.log'), joined(pattern(3000, 2), pattern(100, 3)))
  })

  rule('a folder is renamed with all that is in it', async storage => {
    await write(storage, 'orders-0/1.log', pattern(10, 1))
    await storage.rename('orders-0', 'orders-0.deleted')
    await storage.syncFolder('')
    sameNames(await storage.list(''), ['orders-0.deleted'])
    sameBytes(await read(storage, 'orders-0.deleted/1.log'), pattern(10, 1))
  })

  rule('several files are written side by side', async storage => {
    const files = await Promise.all(Array.from({ length: 10 }, async (_, i) => storage.open(`p-${i}/a.log`)))
    for (let round = 0; round < 20; round++) await Promise.all(files.map((file, i) => file.append(pattern(300, i + round))))
    for (const [i, file] of files.entries()) {
      sameBytes(await contentOf(file), joined(...Array.from({ length: 20 }, (_, round) => pattern(300, i + round))))
      await file.close()
    }
  })

  const { reopen } = subject
  if (reopen) {
    cases.push({
      name: 'what was synced is there for the next process',
      run: async () => {
        const storage = await subject.open()
        const file = await storage.open('orders-0/a.log')
        await file.append(pattern(5000, 1))
        await file.sync()
        await storage.syncFolder('orders-0')
        await file.close()
        await storage.close()
        const again = await reopen(storage)
        sameBytes(await read(again, 'orders-0/a.log'), pattern(5000, 1))
        await again.close()
      }
    })
  }
  return cases
}

async function refused(what: string, call: () => unknown): Promise<void> {
  try {
    await call()
  } catch {
    return
  }
  throw new Error(`Expected ${what} of a closed file to fail`)
}

/** Bytes that differ with the seed and with their place. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + seed * 101) & 0xff
  return bytes
}

async function write(storage: Storage, name: string, bytes: Uint8Array): Promise<void> {
  const file = await storage.open(name)
  await file.append(bytes)
  await file.close()
}

async function read(storage: Storage, name: string): Promise<Uint8Array> {
  const file = await storage.open(name)
  const bytes = await contentOf(file)
  await file.close()
  return bytes
}

async function contentOf(file: StorageFile): Promise<Uint8Array> {
  const content = new Uint8Array(file.length)
  let position = 0
  while (position < content.length) {
    const view = await file.read(position, content.length - position)
    if (view.length === 0) throw new Error(`A read at ${position} of ${content.length} returned nothing`)
    content.set(view, position)
    position += view.length
    release(view)
  }
  return content
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(part => [...part]))
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`Expected ${what} to be ${expected}, got ${actual}`)
}

function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  equal(actual.length, expected.length, 'the number of bytes')
  for (let i = 0; i < expected.length; i++) if (actual[i] !== expected[i]) equal(actual[i], expected[i], `the byte at ${i}`)
}

function sameNames(actual: readonly string[], expected: readonly string[]): void {
  equal([...actual].sort().join(', '), expected.join(', '), 'the names')
}
