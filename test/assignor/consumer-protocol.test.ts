import { describe, expect, it } from 'vitest'
import {
  decodeAssignment,
  decodeSubscribedTopics,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription
} from '../../src/assignor/consumer-protocol.js'
import {
  decodeCooperativeUserData,
  decodeStickyUserData,
  encodeCooperativeUserData,
  encodeStickyUserData
} from '../../src/assignor/sticky-user-data.js'
import { partitions } from './helpers.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))

const subscription = {
  topics: ['foo', 'bar'],
  userData: Uint8Array.of(1, 2),
  ownedPartitions: partitions('foo-1 foo-0 bar-3'),
  generationId: 7,
  rackId: 'r'
}
const topicsAndData = '00000002 0003 626172 0003 666f6f 00000002 0102'
const owned = '00000002 0003 626172 00000001 00000003 0003 666f6f 00000002 00000000 00000001'
const golden = [
  `0000 ${topicsAndData}`,
  `0001 ${topicsAndData} ${owned}`,
  `0002 ${topicsAndData} ${owned} 00000007`,
  `0003 ${topicsAndData} ${owned} 00000007 0001 72`
].map(text => text.replaceAll(' ', ''))

describe('the subscription', () => {
  it('has the bytes of each version, sorted by topic', () => {
    expect([0, 1, 2, 3].map(version => hex(encodeSubscription(subscription, version)))).toEqual(golden)
  })

  it('is read at each version, with defaults for what the version lacks', () => {
    const sorted = { topics: ['bar', 'foo'], userData: Uint8Array.of(1, 2) }
    const held = partitions('bar-3 foo-0 foo-1')
    expect(golden.map(text => decodeSubscription(unhex(text)))).toEqual([
      { ...sorted, ownedPartitions: [], generationId: -1, rackId: null },
      { ...sorted, ownedPartitions: held, generationId: -1, rackId: null },
      { ...sorted, ownedPartitions: held, generationId: 7, rackId: null },
      { ...sorted, ownedPartitions: held, generationId: 7, rackId: 'r' }
    ])
  })

  it('of a newer version is read as the newest known', () => {
    expect(decodeSubscription(unhex(`0063${golden[3].slice(4)}ffff`)).rackId).toBe('r')
  })

  it('names its topics in a way that versions to come cannot break', () => {
    expect(decodeSubscribedTopics(unhex(`0063${golden[0].slice(4)}`))).toEqual(['bar', 'foo'])
  })

  it('that is damaged is refused by code', () => {
    for (const bytes of ['', '00', 'ffff00000000', golden[3].slice(0, -4), '00007fffffff']) {
      expect(() => decodeSubscription(unhex(bytes))).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }))
    }
  })
})

describe('the assignment', () => {
  it('has the same bytes after the version in all versions', () => {
    const body = '00000002 0001 62 00000002 00000002 00000001 0001 61 00000001 00000000 ffffffff'.replaceAll(' ', '')
    for (const version of [0, 1, 2, 3]) {
      expect(hex(encodeAssignment({ partitions: partitions('b-2 a-0 b-1') }, version))).toBe(`000${version}${body}`)
      expect(decodeAssignment(unhex(`000${version}${body}`))).toEqual({ partitions: partitions('b-2 b-1 a-0'), userData: null })
    }
  })

  it('of no bytes is empty: what a member gets whom the leader left out', () => {
    expect(decodeAssignment(new Uint8Array())).toEqual({ partitions: [], userData: null })
  })
})

describe('the user data of the sticky assignors', () => {
  it('names the last assignment and its generation', () => {
    const bytes = '00000001 0001 74 00000002 00000000 00000002 00000005'.replaceAll(' ', '')
    expect(hex(encodeStickyUserData(partitions('t-0 t-2'), 5))).toBe(bytes)
    expect(decodeStickyUserData(unhex(bytes))).toEqual({ partitions: partitions('t-0 t-2'), generationId: 5 })
  })

  it('is read in its first form, without a generation', () => {
    expect(decodeStickyUserData(unhex('00000001 0001 74 00000001 00000002'))).toEqual({ partitions: partitions('t-2'), generationId: null })
  })

  it('is only a generation for cooperative members', () => {
    expect(hex(encodeCooperativeUserData(-1))).toBe('ffffffff')
    expect([null, unhex('00000009'), unhex('00')].map(decodeCooperativeUserData)).toEqual([null, 9, -1])
  })
})
