import { afterEach, describe, expect, it } from 'vitest'
import { deferred } from '../../src/common/deferred.js'
import { errorNumber } from '../../src/errors.js'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { SaslAuthenticate } from '../../src/protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../../src/protocol/messages/sasl-handshake.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { Connection } from '../../src/wire/connection.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import type { ListenOptions } from '../../src/wire/listener-options.js'
import { Users } from '../../src/wire/sasl/users.js'
import { RawClient } from './raw-client.js'
import { ScriptedNode } from './scripted-node.js'

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const plain = (user: string, password: string) => new TextEncoder().encode(`\0${user}\0${password}`)
const illegal = errorNumber('ILLEGAL_SASL_STATE')
const failed = errorNumber('SASL_AUTHENTICATION_FAILED')

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function open(node: ScriptedNode, options: ListenOptions = {}) {
  const clock = new VirtualClock()
  const users = await Users.of({ alice: 'secret', bob: 'secret' })
  const listener = await listen(node, {
    sasl: { users },
    connectionsMaxReauthMs: 10_000,
    clock,
    connectionFailedAuthenticationDelayMs: 0,
    ...options
  })
  ends.push(() => listener.close())
  const reasons: string[] = []
  listener.on('disconnected', ({ reason }) => reasons.push(`${reason?.code}: ${reason?.message}`))
  return { clock, users, listener, reasons }
}

const node = () => new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 }))

async function comeIn(listener: Listener): Promise<RawClient> {
  const client = await RawClient.connect(listener.port)
  ends.push(() => client[Symbol.dispose]())
  expect(await authenticate(client)).toMatchObject({ errorCode: 0 })
  return client
}

async function handshake(client: RawClient, mechanism = 'PLAIN'): Promise<number> {
  client.request(SaslHandshake, 1, { mechanism })
  return (await client.response(SaslHandshake, 1)).body.errorCode
}

async function authenticate(client: RawClient, token = plain('alice', 'secret')) {
  expect(await handshake(client)).toBe(0)
  client.request(SaslAuthenticate, 2, { authBytes: token })
  return (await client.response(SaslAuthenticate, 2)).body
}

async function isServed(client: RawClient): Promise<boolean> {
  client.request(Heartbeat, 0, heartbeat)
  return (await client.frame()) !== undefined
}

describe('a listener whose sessions end', () => {
  it('tells the lifetime, and closes a connection that asks for anything after it', async () => {
    const { clock, listener, reasons } = await open(node())
    const client = await RawClient.connect(listener.port)
    ends.push(() => client[Symbol.dispose]())
    expect(await authenticate(client)).toMatchObject({ errorCode: 0, sessionLifetimeMs: 10_000 })
    await clock.advance(9999)
    expect(await isServed(client)).toBe(true)
    await clock.advance(1)
    expect(await isServed(client)).toBe(false)
    expect(reasons).toEqual([expect.stringMatching(/^SASL_AUTHENTICATION_FAILED: Heartbeat was asked after the session of User:alice/)])
  })

  it('tells no lifetime where sessions do not end', async () => {
    const { clock, listener } = await open(node(), { connectionsMaxReauthMs: 0 })
    const client = await RawClient.connect(listener.port)
    ends.push(() => client[Symbol.dispose]())
    expect(await authenticate(client)).toMatchObject({ errorCode: 0, sessionLifetimeMs: 0 })
    await clock.advance(500_000)
    expect(await isServed(client)).toBe(true)
  })

  it('ends those of clients too old to be told', async () => {
    const { clock, listener } = await open(node())
    const client = await RawClient.connect(listener.port)
    ends.push(() => client[Symbol.dispose]())
    client.request(SaslHandshake, 0, { mechanism: 'PLAIN' })
    await client.response(SaslHandshake, 0)
    client.send(Uint8Array.of(0, 0, 0, 13), plain('alice', 'secret'))
    await client.frame()
    expect(await isServed(client)).toBe(true)
    await clock.advance(10_000)
    expect(await isServed(client)).toBe(false)
  })

  it('goes on with a client that authenticates again, even late', async () => {
    const { clock, listener } = await open(node())
    const client = await comeIn(listener)
    await clock.advance(9000)
    expect(await authenticate(client)).toMatchObject({ errorCode: 0, sessionLifetimeMs: 10_000 })
    await clock.advance(9000)
    expect(await isServed(client)).toBe(true)
    await clock.advance(2000)
    expect(await authenticate(client)).toMatchObject({ errorCode: 0, sessionLifetimeMs: 10_000 })
    expect(await isServed(client)).toBe(true)
  })

  it('takes nothing but the proof once a client has begun to authenticate again', async () => {
    const { listener, reasons } = await open(node())
    const client = await comeIn(listener)
    expect(await handshake(client)).toBe(0)
    client.request(ApiVersions, 0, {})
    expect(await client.frame()).toBeUndefined()
    expect(reasons).toEqual([expect.stringContaining('ILLEGAL_SASL_STATE: ApiVersions was asked while the client authenticated again')])
  })

  it('refuses a client that becomes another user, or proves itself by another mechanism', async () => {
    const { listener, reasons } = await open(node())
    const other = await comeIn(listener)
    expect(await authenticate(other, plain('bob', 'secret'))).toMatchObject({
      errorCode: failed,
      errorMessage: 'Authentication failed: A client that is User:alice cannot become User:bob'
    })
    expect(await other.frame()).toBeUndefined()
    const client = await comeIn(listener)
    expect(await handshake(client, 'SCRAM-SHA-256')).toBe(0)
    client.request(SaslAuthenticate, 2, { authBytes: new TextEncoder().encode('n,,n=alice,r=abc') })
    expect((await client.response(SaslAuthenticate, 2)).body).toMatchObject({
      errorCode: failed,
      errorMessage: 'Authentication failed: A client that authenticated by PLAIN cannot authenticate again by SCRAM-SHA-256'
    })
    expect(await client.frame()).toBeUndefined()
    expect(reasons).toHaveLength(2)
  })

  it('refuses a wrong password then as well, and a client that authenticates again more than once a second', async () => {
    const { clock, listener } = await open(node())
    const client = await comeIn(listener)
    await authenticate(client)
    expect(await handshake(client)).toBe(illegal)
    client.request(SaslAuthenticate, 2, { authBytes: plain('alice', 'secret') })
    expect((await client.response(SaslAuthenticate, 2)).body.errorCode).toBe(illegal)
    expect(await isServed(client)).toBe(true)
    await clock.advance(1000)
    expect(await authenticate(client, plain('alice', 'wrong'))).toMatchObject({ errorCode: failed })
    expect(await client.frame()).toBeUndefined()
  })

  it('has a time that is checked where it is given', async () => {
    const users = { alice: 'secret' }
    await expect(listen(node(), { sasl: { users }, connectionsMaxReauthMs: -1 })).rejects.toThrow(/Expected `connectionsMaxReauthMs`/)
    await expect(listen(node(), { connectionsMaxReauthMs: 1000 })).rejects.toThrow(/only together with `sasl`/)
  })
})

describe('a connection whose session ends', () => {
  const sasl = { mechanism: 'SCRAM-SHA-256', username: 'alice', password: 'secret' } as const

  it('authenticates again in time, while requests under way and later ones are answered in their order', async () => {
    const wait = deferred()
    const order: string[] = []
    const slow = new ScriptedNode().answer(Heartbeat, async ({ memberId }) => {
      order.push(memberId)
      if (memberId === 'slow') await wait.promise
      return { errorCode: 0 }
    })
    const { clock, listener, reasons } = await open(slow)
    const connection = await Connection.open({ host: '127.0.0.1', port: listener.port }, { sasl, clock })
    const ask = (memberId: string) => connection.request(Heartbeat, { ...heartbeat, memberId })
    for (let round = 0; round < 3; round++) {
      await clock.advance(8499)
      const under = ask('slow')
      await clock.advance(1001)
      const later = ['a', 'b', 'c'].map(ask)
      const given = new AbortController()
      const givenUp = connection.request(Heartbeat, { ...heartbeat, memberId: 'given up' }, undefined, given.signal)
      given.abort(new Error('no longer wanted'))
      await expect(givenUp).rejects.toThrow('no longer wanted')
      wait.resolve()
      for (const answer of await Promise.all([under, ...later])) expect(answer).toEqual({ errorCode: 0, throttleTimeMs: 0 })
    }
    expect(order).toEqual(Array(3).fill(['slow', 'a', 'b', 'c']).flat())
    expect(reasons).toEqual([])
    connection.close()
  })

  it('ends, with its requests, when the broker refuses it by then', async () => {
    const { clock, users, listener } = await open(node())
    const connection = await Connection.open({ host: '127.0.0.1', port: listener.port }, { sasl, clock })
    users.remove('alice')
    await clock.advance(9500)
    const refused = { code: 'SASL_AUTHENTICATION_FAILED', message: 'Authentication failed: Invalid user name or password' }
    const asked = [1, 2].map(() => connection.request(Heartbeat, heartbeat))
    for (const answer of asked) await expect(answer).rejects.toMatchObject(refused)
    expect(connection.isOpen).toBe(false)
  })

  it('rejects what waits for that when it is closed', async () => {
    const { clock, listener } = await open(node())
    const connection = await Connection.open({ host: '127.0.0.1', port: listener.port }, { sasl, clock })
    await clock.advance(9500)
    const asked = connection.request(Heartbeat, heartbeat)
    connection.close()
    await expect(asked).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
