import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeMessage } from '../../src/protocol/codec.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytesOf = (...parts: string[]) => new Uint8Array(Buffer.from(parts.join(''), 'hex'))

describe('messages by hand', () => {
  it('an old version has fixed lengths', () => {
    const bytes = encodeMessage(Heartbeat.request, 3, { groupId: 'g', generationId: 7, memberId: 'ab', groupInstanceId: null })
    expect(hex(bytes)).toBe(['0001', '67', '00000007', '0002', '6162', 'ffff'].join(''))
  })

  it('a flexible version has lengths plus one, and an empty section of tagged fields', () => {
    const bytes = encodeMessage(Heartbeat.request, 4, { groupId: 'g', generationId: 7, memberId: 'ab', groupInstanceId: null })
    expect(hex(bytes)).toBe(['02', '67', '00000007', '03', '6162', '00', '00'].join(''))
  })

  it('all topics are asked for with a null array, in either kind of version', () => {
    expect(hex(encodeMessage(Metadata.request, 1, { topics: null }))).toBe('ffffffff')
    const flexible = encodeMessage(Metadata.request, 13, { topics: null, allowAutoTopicCreation: false })
    expect(hex(flexible)).toBe(['00', '00', '00', '00'].join(''))
  })

  it('topics go by name up to Produce 12, by id from 13 on', () => {
    const topicId = 'AQIDBAUGBwgJCgsMDQ4PEA'
    const request = {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 't', topicId, partitionData: [{ index: 3, records: new Uint8Array([9]) }] }]
    }
    const head = ['00', 'ffff', '000003e8', '02'].join('')
    const tail = ['02', '00000003', '02', '09', '00', '00', '00'].join('')
    expect(hex(encodeMessage(Produce.request, 12, request))).toBe(`${head}0274${tail}`)
    expect(hex(encodeMessage(Produce.request, 13, request))).toBe(`${head}0102030405060708090a0b0c0d0e0f10${tail}`)
  })

  it('tagged fields ascend, carry their size, and are left out at their default', () => {
    const leader = (leaderId: number, leaderEpoch: number) => ({
      responses: [
        {
          topicId: 'AQIDBAUGBwgJCgsMDQ4PEA',
          partitions: [
            {
              partitionIndex: 1,
              errorCode: 6,
              highWatermark: -1,
              currentLeader: { leaderId, leaderEpoch },
              abortedTransactions: null,
              records: null
            }
          ]
        }
      ]
    })
    const before = ['00000000', '0000', '00000000', '02', '0102030405060708090a0b0c0d0e0f10', '02', '00000001', '0006'].join('')
    const offsets = 'ffffffffffffffff'.repeat(3)
    const after = ['00', 'ffffffff', '00'].join('')
    const ends = ['00', '00'].join('')
    const tagged = ['01', '01', '09', '00000002', '00000005', '00'].join('')
    expect(hex(encodeMessage(Fetch.response, 13, leader(2, 5)))).toBe(before + offsets + after + tagged + ends)
    expect(hex(encodeMessage(Fetch.response, 13, leader(-1, -1)))).toBe(`${before + offsets + after}00${ends}`)
  })

  it('tagged fields that are not known are skipped', () => {
    const bytes = bytesOf('02', '67', '00000007', '02', '61', '00', '02', '05', '01', 'ff', '07', '00')
    expect(decodeMessage(Heartbeat.request, 4, bytes)).toEqual({ groupId: 'g', generationId: 7, memberId: 'a', groupInstanceId: null })
  })

  it('a field that a version does not have reads as its default', () => {
    const bytes = bytesOf('0001', '67', '00000007', '0001', '61')
    expect(decodeMessage(Heartbeat.request, 0, bytes)).toEqual({ groupId: 'g', generationId: 7, memberId: 'a', groupInstanceId: null })
  })

  it('bytes that end too early, claim too much or are null where that is not allowed are refused', () => {
    const whole = encodeMessage(Produce.request, 9, {
      acks: 1,
      timeoutMs: 1,
      topicData: [{ name: 't', partitionData: [{ index: 0, records: new Uint8Array(20) }] }]
    })
    for (let length = 0; length < whole.length; length++)
      expect(() => decodeMessage(Produce.request, 9, whole.subarray(0, length)), `${length}`).toThrowError(/malformed/)
    expect(() => decodeMessage(Metadata.request, 1, bytesOf('7fffffff'))).toThrowError(/malformed/)
    expect(() => decodeMessage(Heartbeat.request, 0, bytesOf('ffff', '00000007', '0001', '61'))).toThrowError(/malformed/)
  })

  it('a value of the wrong kind is named', () => {
    const request = { groupId: 5 as unknown as string, generationId: 1, memberId: 'a' }
    expect(() => encodeMessage(Heartbeat.request, 0, request)).toThrowError(/HeartbeatRequest.groupId/)
  })
})
