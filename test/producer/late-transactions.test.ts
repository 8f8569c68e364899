import { expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { ConditionalAppend } from '../../src/protocol/messages/conditional-append.js'
import { EndTxn } from '../../src/protocol/messages/end-txn.js'
import { FindCoordinator } from '../../src/protocol/messages/find-coordinator.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { committedValues } from '../consumer/helpers.js'
import { LateBroker } from '../late-broker.js'

async function scene() {
  const late = new LateBroker()
  const configs = { 'transaction.state.log.num.partitions': 1, 'offsets.topic.num.partitions': 1 }
  const cluster = await Cluster.open({ intercept: late.intercept, configs })
  await cluster.admin().createTopic({ name: 'orders', partitions: 1 })
  return {
    late,
    cluster,
    values: () => committedValues(cluster, 'orders'),
    [Symbol.asyncDispose]: () => cluster.close()
  }
}

it.each([
  ['InitProducerId', InitProducerId],
  ['FindCoordinator', FindCoordinator]
] as const)(
  'an answer to %s that comes after a begin was given up says nothing about the transaction that is open by then',
  async (_, api) => {
    await using at = await scene()
    const producer = at.cluster.producer({ transactionalId: 't' })
    const answers = at.late.hold(api as typeof InitProducerId)
    const giveUp = new AbortController()
    const begun = producer.begin({ signal: giveUp.signal })
    await answers.given()
    giveUp.abort(new Error('enough'))
    await expect(begun).rejects.toThrow('enough')
    const again = producer.begin()
    await answers.given(2)
    answers.come(1)
    const transaction = await again
    await transaction.send('orders', { value: 'a' })
    answers.come(0)
    await transaction.send('orders', { value: 'b' })
    await transaction.commit()
    answers.end()
    expect(await at.values()).toEqual(['a', 'b'])
  }
)

it.each(['commit', 'abort'] as const)(
  'an answer to EndTxn that comes after a %s was given up does not end the transaction that is open by then',
  async end => {
    await using at = await scene()
    const producer = at.cluster.producer({ transactionalId: 't' })
    const first = await producer.begin()
    await first.send('orders', { value: 'first' })
    const answers = at.late.hold(EndTxn)
    const giveUp = new AbortController()
    const ended = first[end]({ signal: giveUp.signal })
    await answers.given()
    giveUp.abort(new Error('enough'))
    await expect(ended).rejects.toThrow('enough')
    const second = await producer.begin()
    await second.send('orders', { value: 'second' })
    answers.end()
    await second.send('orders', { value: 'third' })
    await second.commit()
    await producer.transaction(tx => tx.send('orders', { value: 'fourth' }))
    expect(await at.values()).toEqual([...(end === 'commit' ? ['first'] : []), 'second', 'third', 'fourth'])
  }
)

it('a record whose answer comes after its transaction was given up belongs to that one, not to the next', async () => {
  await using at = await scene()
  const producer = at.cluster.producer({ transactionalId: 't' })
  const first = await producer.begin()
  const answers = at.late.hold(Produce)
  const sent = first.send('orders', { value: 'first' })
  await answers.given()
  const giveUp = new AbortController()
  const ended = first.commit({ signal: giveUp.signal })
  giveUp.abort(new Error('enough'))
  await expect(ended).rejects.toThrow('enough')
  const second = await producer.begin()
  answers.end()
  await sent.catch(() => {})
  await second.send('orders', { value: 'second' })
  await second.commit()
  expect(await at.values()).toEqual(['second'])
})

it('a conditional record whose answer comes after its producer was closed is told of as it is', async () => {
  await using at = await scene()
  const producer = at.cluster.producer()
  const answers = at.late.hold(ConditionalAppend)
  const sent = producer.send('orders', { value: 'a' }, { ifEndAt: 0 })
  await answers.given()
  const outcome = expect(sent).rejects.toMatchObject({ code: 'CLOSED' })
  await producer.close({ timeoutMs: 100 })
  await outcome
  answers.end()
  const next = at.cluster.producer()
  await expect(next.send('orders', { value: 'a' }, { ifEndAt: 0 })).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await at.values()).toEqual(['a'])
})

it('a conditional record whose broker ignores the signal is tried again, and written once', async () => {
  await using at = await scene()
  const producer = at.cluster.producer({ requestTimeoutMs: 50, retryBackoffMs: 1 })
  const answers = at.late.hold(ConditionalAppend)
  const sent = producer.send('orders', { value: 'a' }, { ifEndAt: 0 })
  await answers.given(2)
  answers.come(1)
  expect(await sent).toMatchObject({ offset: 0 })
  const next = producer.send('orders', { value: 'b' }, { ifEndAt: 1 })
  await answers.given(3)
  answers.end()
  expect(await next).toMatchObject({ offset: 1 })
  expect(await at.values()).toEqual(['a', 'b'])
})
