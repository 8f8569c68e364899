import { describe, expect, it } from 'vitest'
import { zeroUuid } from '../../../src/common/uuid.js'
import { groupRecord, offsetRecord, readGroupRecord } from '../../../src/coordinator/group/group-records.js'
import { partitionOfKey } from '../../../src/coordinator/key-partition.js'

const hex = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('hex')
const unhex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const squeezed = (text: string) => text.replaceAll(' ', '')

describe('the record of an offset', () => {
  const key = squeezed('0001 0001 67 0001 74 00000002')
  const committed = { offset: 300, leaderEpoch: 4, metadata: 'm', commitTimestamp: 1000, expireTimestamp: -1, topicId: zeroUuid }

  it('is what Kafka writes: key 1, value 4 with the id of the topic', () => {
    const value = { ...committed, topicId: 'AAECAwQFBgcICQoLDA0ODw' }
    const record = offsetRecord('g', 't', 2, value)
    expect(hex(record.key)).toBe(key)
    expect(hex(record.value)).toBe(
      squeezed('0004 000000000000012c 00000004 02 6d 00000000000003e8 01 00 10 000102030405060708090a0b0c0d0e0f')
    )
    expect(readGroupRecord(record)).toEqual({ type: 'offset', groupId: 'g', topic: 't', partition: 2, value })
  })

  it('is of version 3 where the id of the topic is not known', () => {
    const record = offsetRecord('g', 't', 2, committed)
    expect(hex(record.key)).toBe(key)
    expect(hex(record.value)).toBe(squeezed('0003 000000000000012c 00000004 0001 6d 00000000000003e8'))
    expect(readGroupRecord(record)).toEqual({ type: 'offset', groupId: 'g', topic: 't', partition: 2, value: committed })
  })

  it('is of version 1 when it has its own time to lapse', () => {
    const record = offsetRecord('g', 't', 2, { ...committed, expireTimestamp: 2000 })
    expect(hex(record.value)).toBe(squeezed('0001 000000000000012c 0001 6d 00000000000003e8 00000000000007d0'))
    expect(readGroupRecord(record)).toMatchObject({ value: { leaderEpoch: -1, expireTimestamp: 2000 } })
  })

  it('is a tombstone when it has no value', () => {
    expect(offsetRecord('g', 't', 2, null)).toEqual({ key: unhex(key), value: null })
    expect(readGroupRecord({ key: unhex(key), value: null })).toEqual({
      type: 'offset',
      groupId: 'g',
      topic: 't',
      partition: 2,
      value: null
    })
  })

  it('is read in every version that Kafka ever wrote', () => {
    const read = (value: string) => readGroupRecord({ key: unhex(`0000${key.slice(4)}`), value: unhex(value) })
    const plain = '000000000000012c 0001 6d 00000000000003e8'
    expect(read(`0000 ${plain}`)).toMatchObject({ value: { ...committed, leaderEpoch: -1 } })
    expect(read(`0002 ${plain}`)).toMatchObject({ value: { ...committed, leaderEpoch: -1 } })
    expect(read('0004 000000000000012c 00000004 02 6d 00000000000003e8 00')).toMatchObject({ value: committed })
    const withId = '0004 000000000000012c 00000004 02 6d 00000000000003e8 01 00 10 000102030405060708090a0b0c0d0e0f'
    expect(read(withId)).toMatchObject({ value: { ...committed, topicId: 'AAECAwQFBgcICQoLDA0ODw' } })
    expect(() => read(`0005 ${plain}`)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_VERSION' }))
    expect(() => read('0003 0000')).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }))
  })
})

describe('the record of a group', () => {
  const key = squeezed('0002 0001 67')
  const member = {
    memberId: 'm',
    groupInstanceId: 'i',
    clientId: 'c',
    clientHost: 'h',
    rebalanceTimeoutMs: 60_000,
    sessionTimeoutMs: 10_000,
    subscription: Uint8Array.of(1, 2),
    assignment: Uint8Array.of(3)
  }
  const group = { protocolType: 'consumer', generationId: 5, protocolName: 'range', leaderId: 'm', stateTimestamp: 1000, members: [member] }
  const head = '0008 636f6e73756d6572 00000005 0005 72616e6765 0001 6d'
  const timeouts = '0000ea60 00002710'
  const blobs = '00000002 0102 00000001 03'

  it('is what Kafka writes: key 2, value 3', () => {
    const record = groupRecord('g', group)
    expect(hex(record.key)).toBe(key)
    expect(hex(record.value)).toBe(squeezed(`0003 ${head} 00000000000003e8 00000001 0001 6d 0001 69 0001 63 0001 68 ${timeouts} ${blobs}`))
    expect(readGroupRecord(record)).toEqual({ type: 'group', groupId: 'g', value: group })
  })

  it('of no members has nulls for protocol and leader', () => {
    const record = groupRecord('g', { ...group, protocolType: null, generationId: 0, protocolName: null, leaderId: null, members: [] })
    expect(hex(record.value)).toBe(squeezed('0003 0000 00000000 ffff ffff 00000000000003e8 00000000'))
    expect(readGroupRecord(record)).toMatchObject({ value: { protocolType: null, protocolName: null, leaderId: null } })
  })

  it('is read in every version that Kafka ever wrote', () => {
    const read = (value: string) => readGroupRecord({ key: unhex(key), value: unhex(value) })
    const old = { ...group, stateTimestamp: -1, members: [{ ...member, groupInstanceId: null, rebalanceTimeoutMs: 10_000 }] }
    const client = '0001 6d 0001 63 0001 68'
    expect(read(`0000 ${head} 00000001 ${client} 00002710 ${blobs}`)).toMatchObject({ value: old })
    const v1 = { ...old, members: [{ ...member, groupInstanceId: null }] }
    expect(read(`0001 ${head} 00000001 ${client} ${timeouts} ${blobs}`)).toMatchObject({ value: v1 })
    expect(read(`0002 ${head} 00000000000003e8 00000001 ${client} ${timeouts} ${blobs}`)).toMatchObject({
      value: { ...v1, stateTimestamp: 1000 }
    })
    const flexible = '0004 09 636f6e73756d6572 00000005 06 72616e6765 02 6d 00000000000003e8 02 02 6d 02 69 02 63 02 68'
    expect(read(`${flexible} ${timeouts} 03 0102 02 03 00 00`)).toMatchObject({ value: group })
  })
})

describe('records of other kinds', () => {
  it('are passed over', () => {
    expect(readGroupRecord({ key: unhex('0003 0001 67'), value: unhex('0000 00000001') })).toBeUndefined()
    expect(readGroupRecord({ key: null, value: null })).toBeUndefined()
    expect(readGroupRecord({ key: unhex('00'), value: null })).toBeUndefined()
  })
})

describe('the partition of a group', () => {
  it("is Java's hash without its sign, modulo 50", () => {
    // "g".hashCode() = 103, "analytics".hashCode() = -1693017210, "polygenelubricants".hashCode() = -2^31
    expect(['', 'g', 'analytics', 'polygenelubricants'].map(groupId => partitionOfKey(groupId, 50))).toEqual([0, 3, 10, 0])
    expect(partitionOfKey('ü', 7)).toBe(252 % 7)
  })
})
