import { describe, expect, it } from 'vitest'
import { bytes, int64, json, string } from '../../src/record/serde.js'
import { asTopic, isTopicName, topic } from '../../src/record/topic.js'

describe('topic', () => {
  it('describes a topic: its name, its serdes, how it is created', () => {
    const value = json<{ url: string }>()
    expect(topic('page-views', { key: string, value, partitions: 6, configs: { 'retention.ms': 1000 } })).toEqual({
      name: 'page-views',
      key: string,
      value,
      partitions: 6,
      configs: { 'retention.ms': 1000 }
    })
  })

  it('carries bytes where nothing else is said', () => {
    expect(topic('raw')).toEqual({ name: 'raw', key: bytes, value: bytes })
    expect(topic('counts', { value: int64 })).toEqual({ name: 'counts', key: bytes, value: int64 })
    expect(asTopic('raw')).toEqual(topic('raw'))
    const counts = topic('counts', { value: int64 })
    expect(asTopic(counts)).toBe(counts)
  })

  it.each(['a', 'A.b_c-9', '...', 'x'.repeat(249), '__consumer_offsets'])('takes the name %j', name => {
    expect(topic(name).name).toBe(name)
    expect(isTopicName(name)).toBe(true)
  })

  it.each(['', '.', '..', 'a b', 'a/b', 'ü', 'x'.repeat(250), 'a\n', 5, null, undefined])('refuses the name %j', name => {
    expect(() => topic(name as string)).toThrow(TypeError)
    expect(() => topic(name as string)).toThrow('Expected a topic name')
    expect(isTopicName(name)).toBe(false)
  })

  it.each([
    [{ partitions: 0 }, '`partitions`'],
    [{ partitions: 1.5 }, '`partitions`'],
    [{ key: 5 }, '`key.serialize`'],
    [{ value: { serialize() {} } }, '`value.deserialize`'],
    [{ value: json }, '`value.serialize`'],
    [{ partition: 3 }, 'Unknown option `partition`']
  ])('refuses %j', (options, message) => {
    expect(() => topic('t', options as object)).toThrow(TypeError)
    expect(() => topic('t', options as object)).toThrow(message)
  })
})
