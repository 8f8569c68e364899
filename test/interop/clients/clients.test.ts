import { describe, expect, it } from 'vitest'
import { LocalBroker } from '../../../src/broker/local-broker.js'
import { MemoryStorage } from '../../../src/storage/memory/memory.js'
import { listen } from '../../../src/wire/listener.js'
import { clients } from './clients.js'

describe.each(await Promise.all(clients.map(async client => ({ ...client, why: await client.missing() }))))('$name', client => {
  it.skipIf(client.why)(
    'goes through its round against a listener',
    async () => {
      const node = await LocalBroker.open({ storage: new MemoryStorage() })
      const listener = await listen(node)
      const trouble: unknown[] = []
      node.events.on('error', event => trouble.push(event))
      listener.on('error', error => trouble.push(error))
      const checks = await client.round(listener.address, true)
      await listener.close()
      await node.close()
      expect(checks.filter(({ problem }) => problem !== undefined)).toEqual([])
      expect(checks.length).toBeGreaterThan(3)
      expect(trouble).toEqual([])
    },
    300_000
  )
})
