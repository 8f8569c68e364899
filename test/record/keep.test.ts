import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { topic } from '../../src/record/topic.js'

describe('a topic that says what of it is kept', () => {
  it('maps to Kafka’s configs', () => {
    expect(topic('events', { keep: 'forever' }).configs).toEqual({ 'cleanup.policy': 'delete', 'retention.ms': -1, 'retention.bytes': -1 })
    expect(topic('users', { keep: 'latest' }).configs).toEqual({ 'cleanup.policy': 'compact' })
    expect(topic('clicks', { keep: { forMs: 60_000 } }).configs).toMatchObject({ 'retention.ms': 60_000, 'retention.bytes': -1 })
    expect(topic('clicks', { keep: { bytes: 1000 } }).configs).toMatchObject({ 'retention.ms': -1, 'retention.bytes': 1000 })
    expect(topic('plain').configs).toBeUndefined()
  })

  it('takes other configs beside it, and none that contradict it', () => {
    expect(topic('events', { keep: 'forever', configs: { 'segment.bytes': 1000 } }).configs).toMatchObject({
      'retention.ms': -1,
      'segment.bytes': 1000
    })
    expect(() => topic('events', { keep: 'forever', configs: { 'retention.ms': 1000 } })).toThrow(
      /Expected `keep` and the config `retention.ms` to agree: one says `-1`, the other `1000`/
    )
  })

  it('refuses what says nothing', () => {
    expect(() => topic('events', { keep: 'always' as never })).toThrow(/Expected `keep` to be 'forever', 'latest', or { forMs, bytes }/)
    expect(() => topic('events', { keep: {} })).toThrow(/with one of the two/)
    expect(() => topic('events', { keep: { forMs: -1 } })).toThrow(/Expected `keep.forMs` to be a positive integer/)
  })

  it('is kept so when it is created by hand, and when it comes into being by being used', async () => {
    await using cluster = await Cluster.open()
    const kept = async (name: string) =>
      (await cluster.admin().describeConfigs(name))
        .filter(config => config.source === 'topic')
        .map(config => `${config.name}=${config.value}`)
    await cluster.admin().createTopic({ name: 'made', keep: 'forever' })
    expect(await kept('made')).toEqual(['cleanup.policy=delete', 'retention.bytes=-1', 'retention.ms=-1'])
    await cluster.producer().send(topic('used', { keep: { forMs: 1000 } }), { value: 'x' })
    expect(await kept('used')).toEqual(['cleanup.policy=delete', 'retention.bytes=-1', 'retention.ms=1000'])
  })
})
