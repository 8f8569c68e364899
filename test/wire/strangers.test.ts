import { afterEach, describe, expect, it } from 'vitest'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { Connection } from '../../src/wire/connection.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import type { ListenOptions } from '../../src/wire/listener-options.js'
import { FairTurns } from '../../src/wire/sasl/fair-turns.js'
import { selfSigned } from './certificate.js'
import { RawClient } from './raw-client.js'
import { ScriptedNode } from './scripted-node.js'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const tls = selfSigned()
const node = new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 }))
const sasl = { mechanism: 'PLAIN' as const, username: 'ann', password: 'secret' }

async function open(options: ListenOptions) {
  const listener = await listen(node, { maxConnections: 6, ...options })
  ends.push(() => listener.close())
  const reasons: (string | undefined)[] = []
  listener.on('disconnected', ({ reason }) => reasons.push(reason?.message))
  return { listener, reasons }
}

async function stranger(listener: Listener): Promise<RawClient> {
  const { connectionCount } = listener
  const client = await RawClient.connect(listener.port)
  ends.push(() => client[Symbol.dispose]())
  while (listener.connectionCount === connectionCount) await new Promise(setImmediate)
  return client
}

async function enter(listener: Listener, options: object): Promise<Connection> {
  const connection = await Connection.open({ host: '127.0.0.1', port: listener.port }, options)
  ends.push(() => connection.close())
  return connection
}

const ask = (connection: Connection) => connection.request(Heartbeat, { groupId: 'g', generationId: 1, memberId: 'm' })

describe.each([
  ['passwords', { sasl: { users: { ann: 'secret' } } }, { sasl }],
  ['TLS', { tls }, { tls: { ca: tls?.cert, servername: 'localhost' } }],
  ['both', { tls, sasl: { users: { ann: 'secret' } } }, { sasl, tls: { ca: tls?.cert, servername: 'localhost' } }]
])('a listener with %s', (what, options, proof) => {
  it.skipIf(what !== 'passwords' && !tls)('gives clients that have proved nothing half of its places, the newest of them', async () => {
    const { listener, reasons } = await open(options as ListenOptions)
    const honest = await enter(listener, proof)
    const [first, second] = [await stranger(listener), await stranger(listener)]
    await stranger(listener)
    expect(reasons).toEqual([])
    await RawClient.connect(listener.port).then(client => ends.push(() => client[Symbol.dispose]()))
    await first.closed
    expect(reasons).toContain('More clients came before this one had proved who it is')
    const another = await enter(listener, proof)
    await second.closed
    for (let i = 0; i < 10; i++) await RawClient.connect(listener.port).then(client => ends.push(() => client[Symbol.dispose]()))
    expect((await ask(honest)).errorCode).toBe(0)
    expect((await ask(another)).errorCode).toBe(0)
    expect((await ask(await enter(listener, proof))).errorCode).toBe(0)
  })
})

describe('things that are done in turn', () => {
  it('are those of each who asks, however much another asks for', async () => {
    const turns = new FairTurns()
    const order: string[] = []
    const asked = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map(name =>
      turns.inTurn(name[0], async () => {
        order.push(name)
        return name
      })
    )
    expect(await Promise.all(asked)).toEqual(['a1', 'a2', 'a3', 'b1', 'c1', 'b2'])
    expect(order).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2'])
    await expect(turns.inTurn('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await turns.inTurn('a', () => Promise.resolve(1))).toBe(1)
  })
})
