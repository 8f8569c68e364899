import { describe, expect, it } from 'vitest'
import { writeInt16, writeInt32, writeInt64 } from '../../../src/common/bytes.js'
import { ProducerRoom } from '../../../src/log/history/producer-room.js'
import { decodeProducerSnapshot, encodeProducerSnapshot, snapshotEntries } from '../../../src/log/history/producer-snapshot.js'
import { ProducerState } from '../../../src/log/history/producer-state.js'
import { attribute, field, headerBytes, sequenceAfter } from '../../../src/record/batch-header.js'
import { transactionMarkerBatch } from '../../../src/record/control-record.js'

interface Header {
  readonly id?: number
  readonly epoch?: number
  readonly sequence: number
  readonly count?: number
  readonly offset?: number
  readonly timestamp?: number
  readonly attributes?: number
}

/** The header of a batch: all that a producer's state looks at. */
function header({ id = 7, epoch = 0, sequence, count = 1, offset = 0, timestamp = 1000, attributes = 0 }: Header): Uint8Array {
  const bytes = new Uint8Array(headerBytes)
  writeInt64(bytes, field.baseOffset, offset)
  writeInt16(bytes, field.attributes, attributes)
  writeInt32(bytes, field.lastOffsetDelta, count - 1)
  writeInt64(bytes, field.maxTimestamp, timestamp)
  writeInt64(bytes, field.producerId, id)
  writeInt16(bytes, field.producerEpoch, epoch)
  writeInt32(bytes, field.baseSequence, sequence)
  return bytes
}

/** A marker at offset 9. */
function marker(type: 'COMMIT' | 'ABORT', producerId: number): Uint8Array {
  const bytes = transactionMarkerBatch({ type, producerId, producerEpoch: 0, coordinatorEpoch: 4, timestamp: 1000 })
  writeInt64(bytes, field.baseOffset, 9)
  return bytes
}

/** A state in which these batches were written, one behind the other. */
function written(...batches: Header[]): ProducerState {
  return writtenTo(new ProducerState(), ...batches)
}

function writtenTo(state: ProducerState, ...batches: Header[]): ProducerState {
  let offset = 0
  for (const batch of batches) {
    state.note(header({ offset, ...batch }))
    offset += batch.count ?? 1
  }
  return state
}

describe('a producer of a partition', () => {
  it('may begin anywhere when it is not known', () => {
    expect(new ProducerState().check(header({ sequence: 12 }))).toBeUndefined()
  })

  it('goes on where its last batch ended', () => {
    const state = written({ sequence: 0, count: 10 })
    expect(state.check(header({ sequence: 10 }))).toBeUndefined()
  })

  it('may not write outside of its transaction while that is under way', () => {
    const state = written({ sequence: 0, attributes: attribute.transactional })
    const outside = expect.objectContaining({ code: 'INVALID_TXN_STATE' })
    expect(() => state.check(header({ sequence: 1 }))).toThrow(outside)
    expect(state.check(header({ sequence: 1, attributes: attribute.transactional }))).toBeUndefined()
    state.note(marker('COMMIT', 7))
    expect(state.check(header({ sequence: 1 }))).toBeUndefined()
  })

  it.each([11, 9, 5, 100])('may not go on with sequence %d when 10 is next', sequence => {
    const state = written({ sequence: 0, count: 10 })
    expect(() => state.check(header({ sequence }))).toThrow(expect.objectContaining({ code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' }))
  })

  it('is told the first offsets of any of its last five batches when it sends one again', () => {
    const state = written(...Array.from({ length: 6 }, (_, i) => ({ sequence: i * 2, count: 2 })))
    for (let i = 1; i < 6; i++) {
      expect(state.check(header({ sequence: i * 2, count: 2 }))).toMatchObject({ baseOffset: i * 2, lastOffset: i * 2 + 1 })
    }
    expect(() => state.check(header({ sequence: 0, count: 2 }))).toThrow('sequence 0 comes where 12 is next')
  })

  it('sends something else when only a part of a batch is the same', () => {
    const state = written({ sequence: 0, count: 4 })
    expect(() => state.check(header({ sequence: 0, count: 2 }))).toThrow(expect.objectContaining({ code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' }))
  })

  it('begins a new epoch with sequence 0', () => {
    const state = written({ sequence: 0, count: 4 })
    expect(state.check(header({ epoch: 1, sequence: 0, count: 4 }))).toBeUndefined()
    expect(() => state.check(header({ epoch: 1, sequence: 4 }))).toThrow('a new epoch begins with sequence 0, not 4')
  })

  it('is refused in an epoch that is over', () => {
    const state = written({ sequence: 0 }, { epoch: 2, sequence: 0 })
    expect(() => state.check(header({ epoch: 1, sequence: 0 }))).toThrow(expect.objectContaining({ code: 'INVALID_PRODUCER_EPOCH' }))
  })

  it('goes on at 0 after the last sequence number', () => {
    const last = 2 ** 31 - 1
    const state = written({ sequence: last - 1, count: 4 })
    expect(state.get(7)?.batches).toMatchObject([{ baseSequence: last - 1, lastSequence: 1 }])
    expect(state.check(header({ sequence: last - 1, count: 4 }))).toMatchObject({ baseOffset: 0 })
    expect(state.check(header({ sequence: 2 }))).toBeUndefined()
    expect(sequenceAfter(last, 1)).toBe(0)
  })

  it('does not concern another', () => {
    const state = written({ sequence: 0, count: 10 }, { id: 8, sequence: 0 })
    expect(state.check(header({ id: 8, sequence: 1 }))).toBeUndefined()
  })

  it('is forgotten when it wrote nothing for a time', () => {
    const state = written({ sequence: 0, timestamp: 1000 }, { id: 8, sequence: 0, timestamp: 2000 })
    state.expire(1000 + 86_400_000)
    expect([...state.entries].map(({ producerId }) => producerId)).toEqual([8])
    expect(state.check(header({ sequence: 99 }))).toBeUndefined()
  })

  it('is not forgotten while it writes, however old its records are', () => {
    const state = new ProducerState(new ProducerRoom(10, () => 5000))
    state.note(header({ sequence: 0, timestamp: 1 }), 0, 1_000_000)
    state.expire(1_004_999)
    expect(state.get(7)).toMatchObject({ lastTimestamp: 1 })
    state.expire(1_005_000)
    expect(state.get(7)).toBeUndefined()
  })

  it('is nobody without an id', () => {
    const state = written({ id: -1, sequence: -1 })
    expect([...state.entries]).toEqual([])
    expect(state.check(header({ id: -1, sequence: -1 }))).toBeUndefined()
  })

  it('may begin anew with 0 after a marker of another epoch', () => {
    const state = written({ sequence: 0 }, { epoch: 1, sequence: -1, attributes: 0x30 })
    expect(state.get(7)).toMatchObject({ epoch: 1, batches: [] })
    expect(state.check(header({ epoch: 1, sequence: 0 }))).toBeUndefined()
    const outOfOrder = expect.objectContaining({ code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
    expect(() => state.check(header({ epoch: 1, sequence: 1 }))).toThrow(outOfOrder)
  })

  it('may go on anywhere after batches without an epoch, as in Kafka', () => {
    const state = written({ epoch: -1, sequence: 0 })
    expect(state.check(header({ epoch: -1, sequence: 7 }))).toBeUndefined()
    expect(state.check(header({ epoch: 0, sequence: 7 }))).toBeUndefined()
  })

  it('has no sequence numbers where a coordinator writes for it', () => {
    const state = written({ sequence: -1, count: 3, attributes: 0x10 })
    expect(state.get(7)?.batches).toMatchObject([{ baseSequence: -1, lastSequence: -1, lastOffset: 2 }])
    const again = new ProducerState()
    for (const entry of decodeProducerSnapshot(encodeProducerSnapshot(state.entries))) again.restore(entry)
    expect(again.get(7)).toEqual(state.get(7))
  })

  it('sends the batch that wraps around once more, when later ones have come', () => {
    const last = 2 ** 31 - 1
    const state = written({ sequence: last - 1, count: 2 }, { sequence: 0, count: 5 }, { sequence: 5, count: 1 })
    expect(state.check(header({ sequence: last - 1, count: 2 }))).toMatchObject({ baseOffset: 0, lastOffset: 1 })
    expect(state.check(header({ sequence: 0, count: 5 }))).toMatchObject({ baseOffset: 2 })
    expect(() => state.check(header({ sequence: last }))).toThrow(`sequence ${last} comes where 6 is next`)
  })

  it('remembers nothing of an epoch that is over', () => {
    const state = written({ sequence: 0, count: 2 }, { epoch: 1, sequence: 0, count: 2 })
    expect(state.check(header({ epoch: 1, sequence: 0, count: 2 }))).toMatchObject({ baseOffset: 2 })
    expect(() => state.check(header({ epoch: 0, sequence: 0, count: 2 }))).toThrow(
      expect.objectContaining({ code: 'INVALID_PRODUCER_EPOCH' })
    )
    expect(state.get(7)?.batches).toHaveLength(1)
  })
})

describe('a snapshot of producers', () => {
  it('is laid out as in Kafka', () => {
    expect(Buffer.from(encodeProducerSnapshot([])).toString('hex')).toHaveLength(20)
    const bytes = encodeProducerSnapshot(written({ id: 42, epoch: 5, sequence: 11, count: 3, offset: 7, timestamp: 1000 }).entries)
    expect(bytes).toHaveLength(56)
    expect(Buffer.from(bytes.subarray(6)).toString('hex')).toBe(
      '00000001' +
        '000000000000002a' +
        '0005' +
        '0000000d' +
        '0000000000000009' +
        '00000002' +
        '00000000000003e8' +
        'ffffffff' +
        'ffffffffffffffff'
    )
  })

  it('knows of the transaction that is under way, and of who ended the last one', () => {
    const state = written({ sequence: 0, attributes: 0x10 }, { id: 8, sequence: 0 })
    state.note(marker('COMMIT', 8))
    const again = new ProducerState()
    for (const entry of decodeProducerSnapshot(encodeProducerSnapshot(state.entries))) again.restore(entry)
    expect(again.get(7)).toMatchObject({ transactionStart: 0, coordinatorEpoch: -1 })
    expect(again.get(8)).toMatchObject({ transactionStart: -1, coordinatorEpoch: 4 })
    again.expire(1e15)
    expect([...again.entries].map(({ producerId }) => producerId)).toEqual([7])
    expect(again.note(marker('ABORT', 7))).toEqual({ producerId: 7, firstOffset: 0, lastOffset: 9, lastStableOffset: 10 })
  })

  it('brings back the five last batches of a producer, the last of them last, as Kafka takes the last entry', () => {
    const state = written(...Array.from({ length: 7 }, (_, i) => ({ sequence: 3 * i, count: 3, timestamp: i })))
    const bytes = encodeProducerSnapshot(state.entries)
    expect(snapshotEntries(bytes).map(({ lastSequence }) => lastSequence)).toEqual([8, 11, 14, 17, 20])
    const [entry] = decodeProducerSnapshot(bytes)
    expect(entry.batches).toEqual(state.get(7)?.batches)
    expect(entry.batches).toHaveLength(5)
  })

  it('brings back the producers as they were', () => {
    const state = written({ sequence: 0, count: 5 }, { sequence: 5, count: 3 }, { id: 8, sequence: 2 ** 31 - 2, count: 4 })
    const again = new ProducerState()
    for (const entry of decodeProducerSnapshot(encodeProducerSnapshot(state.entries))) again.restore(entry)
    expect(again.get(7)).toEqual(state.get(7))
    expect(again.get(8)).toEqual(state.get(8))
    expect(again.check(header({ sequence: 0, count: 5 }))).toMatchObject({ baseOffset: 0, lastOffset: 4 })
    expect(again.check(header({ sequence: 5, count: 3 }))).toMatchObject({ baseOffset: 5, lastOffset: 7 })
    expect(again.check(header({ sequence: 8 }))).toBeUndefined()
  })

  it('is not believed when a byte of it changed', () => {
    const corrupt = expect.objectContaining({ code: 'CORRUPT_MESSAGE' })
    const bytes = encodeProducerSnapshot(written({ sequence: 0 }).entries)
    for (let i = 0; i < bytes.length; i++) {
      const damaged = bytes.slice()
      damaged[i] ^= 1
      expect(() => decodeProducerSnapshot(damaged), `byte ${i}`).toThrow(corrupt)
      expect(() => decodeProducerSnapshot(bytes.subarray(0, i)), `the first ${i} bytes`).toThrow(corrupt)
    }
  })
})

describe('the room for producers', () => {
  const note = (state: ProducerState, id: number, offset: number, attributes = 0) =>
    state.note(header({ id, sequence: 0, offset, attributes }))

  it('lets the log that remembers most forget those that wrote longest ago', () => {
    const room = new ProducerRoom(100)
    const [busy, quiet] = [new ProducerState(room), new ProducerState(room)]
    note(quiet, 1, 0)
    note(busy, 5, 0)
    for (let id = 1000; id < 3000; id++) {
      note(busy, id, 2 * id)
      note(busy, 5, 2 * id + 1)
      expect(busy.size + quiet.size).toBeLessThanOrEqual(100)
    }
    expect(quiet.get(1)).toBeDefined()
    expect(busy.get(5)).toBeDefined()
    expect(busy.get(2999)).toBeDefined()
    expect(busy.get(1000)).toBeUndefined()
  })

  it('keeps producers with a transaction under way', () => {
    const state = new ProducerState(new ProducerRoom(10))
    note(state, 1, 0, 0x10)
    for (let id = 1000; id < 1100; id++) note(state, id, id)
    expect(state.get(1)?.transactionStart).toBe(0)
    expect(state.size).toBeLessThanOrEqual(10)
  })

  it('is given back by producers that expire, are cleared, or whose log is closed', () => {
    const room = new ProducerRoom(10)
    const state = new ProducerState(room)
    for (const end of [() => state.expire(1e15), () => state.clear()]) {
      for (let id = 0; id < 10; id++) note(state, id, id)
      end()
      expect(state.size).toBe(0)
    }
    const closed = new ProducerState(room)
    for (let id = 0; id < 10; id++) note(closed, id, id)
    closed.leaveRoom()
    for (let id = 0; id < 10; id++) note(state, id, id)
    expect([state.size, closed.size]).toEqual([10, 10])
  })
})
