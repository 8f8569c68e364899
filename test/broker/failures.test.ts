import { describe, expect, it } from 'vitest'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { SaslHandshake } from '../../src/protocol/messages/sasl-handshake.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import type { StorageFile } from '../../src/storage/storage.js'
import { batch, createTopic, fetch, openNode, produce, withError } from './helpers.js'

/** A memory whose files can be made to fail. */
class FailingStorage extends MemoryStorage {
  failsToRead = false
  failsToWrite = false

  override open(name: string): StorageFile {
    const file = super.open(name)
    const failing = (isFailing: () => boolean, method: 'append' | 'read') => {
      const original = file[method].bind(file) as (...given: unknown[]) => unknown
      return (...given: unknown[]) => {
        if (isFailing()) throw new Error('the disk is on fire')
        return original(...given)
      }
    }
    return Object.assign(file, {
      append: failing(() => this.failsToWrite, 'append'),
      read: failing(() => this.failsToRead, 'read')
    }) as StorageFile
  }
}

async function openFailing() {
  const storage = new FailingStorage()
  const opened = await openNode({ storage })
  const errors: { error: unknown; during: string }[] = []
  opened.node.events.on('error', event => errors.push(event))
  await createTopic(opened.client, 'orders', 2)
  await produce(opened.client, 'orders', 0, batch('a'))
  return { ...opened, storage, errors }
}

describe('a node whose storage fails', () => {
  it('refuses writes to the partition from then on, says why, and still serves what it has', async () => {
    const { client, storage, errors } = await openFailing()
    storage.failsToWrite = true
    expect(await produce(client, 'orders', 0, batch('b'))).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' })
    storage.failsToWrite = false
    const refused = await produce(client, 'orders', 0, batch('c'))
    expect(refused.error).toBe('KAFKA_STORAGE_ERROR')
    expect(refused.errorMessage).toContain('the disk is on fire')
    expect(errors).toMatchObject([{ during: 'an append to orders-0' }])
    expect(await produce(client, 'orders', 1, batch('d'))).toMatchObject({ error: 'NONE' })
    expect(await fetch(client, 'orders', [0])).toMatchObject([{ error: 'NONE', values: ['a'] }])
  })

  it('says so in the answer to a read, and tells it', async () => {
    const { client, storage, errors } = await openFailing()
    storage.failsToRead = true
    const [found] = await fetch(client, 'orders', [0, 1], { maxWaitMs: 1000 })
    expect(found).toMatchObject({ error: 'KAFKA_STORAGE_ERROR', values: [] })
    expect(errors).toMatchObject([{ error: { code: 'KAFKA_STORAGE_ERROR' }, during: 'a read of orders-0' }])
  })

  it('changes nothing when the metadata cannot be written', async () => {
    const { client, storage, node } = await openFailing()
    storage.failsToWrite = true
    const failed = client.request(CreateTopics, { topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1 }] })
    await expect(failed).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    expect([...node.topics.keys()]).toEqual(['orders'])
    storage.failsToWrite = false
    const { topics } = await client.request(Metadata, { topics: null })
    expect(topics.map(withError)).toMatchObject([{ name: 'orders', error: 'NONE' }])
  })
})

describe('a request', () => {
  it('that the node does not serve is refused', async () => {
    const { client } = await openNode()
    await expect(client.request(SaslHandshake, { mechanism: 'PLAIN' })).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION' })
  })

  it('that is no such thing fails with an unknown server error, and is told', async () => {
    const { client, node } = await openNode()
    const told: string[] = []
    node.events.on('error', ({ during }) => told.push(during))
    await expect(client.request(CreateTopics, {} as never)).rejects.toMatchObject({ code: 'UNKNOWN_SERVER_ERROR' })
    await expect(client.request(Metadata, {} as never)).rejects.toMatchObject({ code: 'UNKNOWN_SERVER_ERROR' })
    expect(told).toEqual(['a CreateTopics request', 'a Metadata request'])
  })
})

describe('a node that closes', () => {
  it('closes once, however often it is asked to, and after what is under way', async () => {
    const { client, node } = await openNode()
    const creating = createTopic(client, 'orders')
    await Promise.all([node.close(), node.close()])
    expect(await creating).toHaveLength(22)
  })

  it('leaves no timers', async () => {
    const { client, node, clock } = await openNode()
    await createTopic(client, 'orders')
    const waiting = fetch(client, 'orders', [0], { maxWaitMs: 1000 }).catch(error => error.code)
    await node.close()
    expect(await waiting).toBe('CLOSED')
    expect(clock.timerCount).toBe(0)
  })
})
