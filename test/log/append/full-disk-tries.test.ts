import { expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import type { Storage, StorageFile } from '../../../src/storage/storage.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { batchOf, codeOf, noon, openLog, readValues } from '../helpers.js'

/** The storage, and how many bytes have been read from it. */
function counting(storage: Storage): { storage: Storage; bytesRead: () => number } {
  let bytes = 0
  const open = async (name: string): Promise<StorageFile> => {
    const file = await storage.open(name)
    const read = file.read.bind(file)
    file.read = async (position, maxBytes) => {
      const view = await read(position, maxBytes)
      bytes += view.length
      return view
    }
    return file
  }
  const watched = new Proxy(storage, { get: (target, name) => (name === 'open' ? open : Reflect.get(target, name, target)) })
  return { storage: watched, bytesRead: () => bytes }
}

const produced = (value: string, sequence: number) =>
  batchOf([{ value, timestamp: noon }], { producerId: 7, producerEpoch: 0, baseSequence: sequence })

it('a log on a full disk reads what it has once, not again at every try', async () => {
  const disk = new SimulatedDisk({ random: seededRandom(1) })
  const { storage, bytesRead } = counting(disk.mount())
  const log = await openLog({ storage })
  for (let i = 0; i < 200; i++) await log.append(produced('x'.repeat(100), i))
  disk.capacityBytes = 0
  // The first try fails, the second cuts away what it has left and fails again.
  for (let i = 0; i < 2; i++) expect(await codeOf(() => log.append(produced('a', 200)))).toBe('KAFKA_STORAGE_ERROR')
  const before = bytesRead()
  for (let i = 0; i < 10; i++) expect(await codeOf(() => log.append(produced('a', 200)))).toBe('KAFKA_STORAGE_ERROR')
  expect(bytesRead() - before).toBeLessThan(log.sizeInBytes)
  disk.capacityBytes = Number.POSITIVE_INFINITY
  expect(await log.append(produced('b', 200))).toMatchObject({ baseOffset: 200 })
  // The producer is known as it was: its last batch is not taken twice, and none may be left out.
  expect(await log.append(produced('b', 200))).toMatchObject({ baseOffset: 200 })
  expect(await codeOf(() => log.append(produced('c', 202)))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  expect((await readValues(log)).at(-1)).toBe('200:b')
  await log.truncateTo(150)
  expect(await log.append(produced('d', 150))).toMatchObject({ baseOffset: 150 })
  await log.close()
})
