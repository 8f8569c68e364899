import { describe, expect, it } from 'vitest'
import { StateHost, type StateHostOptions, type StateLog } from '../../src/broker/state-host.js'
import { textBytes } from '../../src/common/bytes.js'
import type { Clock } from '../../src/common/clock.js'
import { type Deferred, deferred } from '../../src/common/deferred.js'
import { lend } from '../../src/common/lease.js'
import { answer, type ReplayedRecord, type StateMachine, type StateRecord } from '../../src/common/state-machine.js'
import { KafkaError } from '../../src/errors.js'
import { Log } from '../../src/log/log.js'
import { transactionMarkerBatch } from '../../src/record/control-record.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { memoryStorage } from '../../src/storage/memory/memory.js'

/** A map of texts, as a machine. */
class Notes implements StateMachine {
  readonly notes = new Map<string, string>()

  replay({ key, value }: ReplayedRecord): void {
    if (value) this.notes.set(String(Buffer.from(key!)), String(Buffer.from(value)))
    else this.notes.delete(String(Buffer.from(key!)))
  }

  *snapshot(): Generator<StateRecord> {
    for (const [key, value] of this.notes) yield note(key, value)
  }
}

function note(key: string, value: string | null): StateRecord {
  return { key: textBytes(key), value: value === null ? null : textBytes(value) }
}

const openLog = (segmentBytes = 1024) => Log.open(memoryStorage(), 'notes-0', { segmentBytes, retentionBytes: -1, retentionMs: -1 })

/** A log whose appends wait to be let through, or to fail. */
class SlowLog implements StateLog {
  readonly #log: Log
  readonly waiting: Deferred<void>[] = []
  constructor(log: Log) {
    this.#log = log
  }
  get logStartOffset() {
    return this.#log.logStartOffset
  }
  get logEndOffset() {
    return this.#log.logEndOffset
  }
  async append(batch: Uint8Array, options: { readonly origin: 'coordinator' }) {
    const gate = deferred()
    this.waiting.push(gate)
    await gate.promise
    return this.#log.append(batch, options)
  }
  read(offset: number, maxBytes: number) {
    return this.#log.read(offset, maxBytes)
  }
  deleteRecordsBefore(offset: number) {
    return this.#log.deleteRecordsBefore(offset)
  }
}

async function open(log: StateLog, options?: StateHostOptions) {
  const machine = new Notes()
  return { machine, host: await StateHost.open(log, machine, options) }
}

describe('a state host', () => {
  it('answers in the same turn where the log does', async () => {
    const { host, machine } = await open(await openLog())
    expect(host.run(() => ({ records: [note('a', '1')], committed: () => machine.notes.get('a') }))).toBe('1')
    expect(host.run(() => answer('read'))).toBe('read')
  })

  it('hears of an append that fails while others have their turn', async () => {
    let time = 0
    const clock: Clock = { now: () => 0, monotonic: () => (time += 100), setTimer: () => ({ cancel() {} }) }
    const failing: StateLog = {
      logStartOffset: 0,
      logEndOffset: 0,
      append: () => Promise.reject(new KafkaError('KAFKA_STORAGE_ERROR', 'the disk is gone')),
      read: () => new Uint8Array(0),
      deleteRecordsBefore: () => {}
    }
    const unheard: unknown[] = []
    const listeners = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection')
    process.on('unhandledRejection', error => unheard.push(error))
    try {
      const { host } = await open(failing, { clock })
      const records = Array.from({ length: 2000 }, (_, i) => note(`k${i}`, 'v'))
      // Twice, since the first look at the clock begins the turn that the second finds over.
      for (let i = 0; i < 2; i++)
        await expect(host.run(() => ({ records, committed: () => {} }))).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
      await new Promise(setImmediate)
    } finally {
      process.removeAllListeners('unhandledRejection')
      for (const listener of listeners) process.on('unhandledRejection', listener)
    }
    expect(unheard).toEqual([])
  })

  it('brings the state back from the log', async () => {
    const log = await openLog()
    const { host, machine } = await open(log)
    for (let i = 0; i < 100; i++)
      host.run(() => ({ records: [note(`k${i % 7}`, `${i}`), note(`k${i % 5}`, i % 2 ? null : 'x')], committed: () => {} }))
    expect((await open(log)).machine.notes).toEqual(machine.notes)
  })

  it('lets a machine keep parts of the records that it brings back', async () => {
    const log = await openLog()
    const { host } = await open(log)
    host.run(() => ({ records: [note('a', 'kept')], committed: () => {} }))
    // A storage that uses the memory of a read again as soon as it may.
    const lending: StateLog = {
      logStartOffset: 0,
      logEndOffset: log.logEndOffset,
      append: () => ({ baseOffset: 0 }),
      read: async (offset, maxBytes) => {
        const view = new Uint8Array(await log.read(offset, maxBytes))
        return lend(view, () => view.fill(0xff))
      },
      deleteRecordsBefore: () => {}
    }
    const kept: Uint8Array[] = []
    await StateHost.open(lending, { replay: ({ value }) => kept.push(value!), snapshot: () => [] })
    expect(String(Buffer.from(kept[0]))).toBe('kept')
  })

  it('brings back of transactions what was committed, when it was', async () => {
    const log = await openLog()
    const write = (producerId: number, key: string, value: string) => {
      const options = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: 0, transactional: true }
      log.append(RecordBatch.of([{ key, value }], options).bytes, { origin: 'coordinator' })
    }
    const end = (producerId: number, type: 'COMMIT' | 'ABORT') => {
      log.append(transactionMarkerBatch({ type, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestamp: 0 }), {
        origin: 'coordinator'
      })
    }
    write(5, 'a', 'kept')
    write(6, 'b', 'taken back')
    write(-1, 'b', 'plain')
    write(-1, 'a', 'before it was committed')
    write(6, 'a', 'taken back')
    end(5, 'COMMIT')
    end(6, 'ABORT')
    write(6, 'c', 'kept')
    end(6, 'COMMIT')
    write(7, 'd', 'undecided')
    const { machine } = await open(log)
    expect([...machine.notes].sort()).toEqual([
      ['a', 'kept'],
      ['b', 'plain'],
      ['c', 'kept']
    ])
  })

  it('takes one decision at a time, each on the state that the one before has left', async () => {
    const log = new SlowLog(await openLog())
    const { host, machine } = await open(log)
    const append = (name: string) =>
      host.run(() => {
        const seen = [...machine.notes.keys()].join('')
        return { records: [note(name, '')], committed: () => `${seen}+${name}` }
      })
    const answers = ['a', 'b', 'c'].map(append)
    const read = host.run(() => answer([...machine.notes.keys()].join('')))
    for (let i = 0; i < 3; i++) {
      await new Promise(resolve => setTimeout(resolve))
      expect(log.waiting.length).toBe(i + 1)
      log.waiting[i].resolve()
    }
    expect(await Promise.all(answers)).toEqual(['+a', 'a+b', 'ab+c'])
    expect(await read).toBe('abc')
  })

  it('does not let an answer that waits for others hold up the next decision', async () => {
    const log = new SlowLog(await openLog())
    const { host } = await open(log)
    const parked = deferred<string>()
    const first = host.run(() => ({ records: [note('a', '')], committed: () => parked.promise }))
    const second = host.run(() => answer('second'))
    log.waiting[0].resolve()
    expect(await second).toBe('second')
    parked.resolve('first')
    expect(await first).toBe('first')
  })

  it('changes nothing when the log refuses', async () => {
    const log = new SlowLog(await openLog())
    const { host, machine } = await open(log)
    const thrown = host.run(() => ({ records: [note('a', '')], committed: () => 'done' }))
    const answered = host.run(() => ({ records: [note('b', '')], committed: () => 'done', failed: error => (error as Error).message }))
    const failed = expect(thrown).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR', cause: new Error('full') })
    log.waiting[0].reject(new Error('full'))
    await failed
    log.waiting[1].reject(new Error('full'))
    expect(await answered).toMatch('could not be written')
    expect(machine.notes.size).toBe(0)
    const ok = host.run(() => ({ records: [note('c', '')], committed: () => 'done' }))
    log.waiting[2].resolve()
    expect(await ok).toBe('done')
  })

  it('takes decisions that are asked for in the middle of one after it', async () => {
    const { host } = await open(await openLog())
    const order: string[] = []
    let inner: unknown
    host.run(() => {
      inner = host.run(() => {
        order.push('inner')
        return answer(1)
      })
      order.push('outer')
      return answer(0)
    })
    expect(order).toEqual(['outer', 'inner'])
    expect(await inner).toBe(1)
  })

  it('goes through thousands that wait', async () => {
    const log = new SlowLog(await openLog())
    const { host } = await open(log)
    const first = host.run(() => ({ records: [note('a', '')], committed: () => 0 }))
    const rest = Array.from({ length: 20_000 }, (_, i) => host.run(() => answer(i)))
    log.waiting[0].resolve()
    await first
    expect((await Promise.all(rest)).at(-1)).toBe(19_999)
  })

  it('keeps the log small by snapshots, and loses nothing by it', async () => {
    const log = await openLog(4096)
    const { host, machine } = await open(log, { snapshotBytes: 8192 })
    for (let i = 0; i < 5000; i++) {
      await host.run(() => ({ records: [note(`k${i % 10}`, `${i}`)], committed: () => {} }))
      if (i % 3 === 0) await host.run(() => ({ records: [note(`gone${i}`, 'x'), note(`gone${i}`, null)], committed: () => {} }))
    }
    expect(log.sizeInBytes).toBeLessThan(8192 + 4096 + 2048)
    expect((await open(log)).machine.notes).toEqual(machine.notes)
  })

  it('does not write a large state again and again', async () => {
    const log = await openLog(4096)
    const { host } = await open(log, { snapshotBytes: 1024 })
    const large = 'x'.repeat(1000)
    for (let i = 0; i < 50; i++) await host.run(() => ({ records: [note(`k${i}`, large)], committed: () => {} }))
    const before = log.logEndOffset
    for (let i = 0; i < 100; i++) await host.run(() => ({ records: [note('k', `${i}`)], committed: () => {} }))
    expect(log.logEndOffset - before).toBeLessThan(200)
    expect((await open(log)).machine.notes.size).toBe(51)
  })

  it('finishes what is under way when it closes, and refuses the rest', async () => {
    const log = new SlowLog(await openLog())
    const { host } = await open(log)
    const first = host.run(() => ({ records: [note('a', '')], committed: () => 'done' }))
    const second = host.run(() => answer('never'))
    const refused = expect(second).rejects.toMatchObject({ code: 'NOT_COORDINATOR' })
    const closing = host.close()
    log.waiting[0].resolve()
    expect(await first).toBe('done')
    await Promise.all([closing, refused, host.close()])
    expect(() => host.run(() => answer(1))).toThrow(expect.objectContaining({ code: 'NOT_COORDINATOR' }))
  })
})
