import { describe, expect, it } from 'vitest'
import { deferred } from '../../src/common/deferred.js'
import { errorNumber } from '../../src/errors.js'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { SaslAuthenticate } from '../../src/protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../../src/protocol/messages/sasl-handshake.js'
import { Connection } from '../../src/wire/connection.js'
import { listen } from '../../src/wire/listener.js'
import { clientExchange } from '../../src/wire/sasl/client-exchange.js'
import { credentials } from '../../src/wire/sasl/credentials.js'
import { type PasswordMechanism, passwordMechanisms } from '../../src/wire/sasl/sasl-options.js'
import { serverExchange } from '../../src/wire/sasl/server-exchange.js'
import { Users } from '../../src/wire/sasl/users.js'
import { selfSigned } from './certificate.js'
import { RawClient } from './raw-client.js'
import { ScriptedNode } from './scripted-node.js'

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const text = (value: string) => new TextEncoder().encode(value)
const node = () => new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 })).answer(Metadata, () => ({ brokers: [], topics: [] }))
const connectTo = (port: number, mechanism: PasswordMechanism, username: string, password: string) =>
  Connection.open({ host: '127.0.0.1', port }, { sasl: { mechanism, username, password } })

describe.each(passwordMechanisms)('a listener that asks for %s', mechanism => {
  it('lets in who knows the password', async () => {
    await using listener = await listen(node(), { sasl: { users: { 'a,l=ice': 'secret', bob: 'pässwörd' }, mechanisms: [mechanism] } })
    for (const [name, password] of [
      ['a,l=ice', 'secret'],
      ['bob', 'pässwörd']
    ]) {
      const connection = await connectTo(listener.port, mechanism, name, password)
      expect(await connection.request(Heartbeat, heartbeat)).toMatchObject({ errorCode: 0 })
      connection.close()
    }
  })

  it('refuses everybody else, and says no more than that', async () => {
    await using listener = await listen(node(), { sasl: { users: { alice: 'secret' }, mechanisms: [mechanism] } })
    for (const [name, password] of [
      ['alice', 'wrong'],
      ['nobody', 'secret']
    ]) {
      await expect(connectTo(listener.port, mechanism, name, password)).rejects.toMatchObject({
        code: 'SASL_AUTHENTICATION_FAILED',
        message: 'Authentication failed: Invalid user name or password'
      })
    }
  })
})

describe('a listener with users', () => {
  it('answers nothing but the handshake before it knows who is there', async () => {
    const silent = node()
    await using listener = await listen(silent, { sasl: { users: { alice: 'secret' } } })
    const reasons: (string | undefined)[] = []
    listener.on('disconnected', ({ reason }) => reasons.push(reason?.code))
    using client = await RawClient.connect(listener.port)
    client.request(ApiVersions, 0, {})
    expect((await client.response(ApiVersions, 0)).body.errorCode).toBe(0)
    client.request(Heartbeat, 0, heartbeat)
    expect(await client.frame()).toBeUndefined()
    expect(reasons).toEqual(['ILLEGAL_SASL_STATE'])
    expect(silent.seen).toEqual([])
  })

  it('takes no large requests from those whom it does not know', async () => {
    await using listener = await listen(node(), { sasl: { users: { alice: 'secret' } } })
    const reasons: (string | undefined)[] = []
    listener.on('disconnected', ({ reason }) => reasons.push(reason?.message))
    using client = await RawClient.connect(listener.port)
    client.send(Uint8Array.of(0, 8, 0, 1))
    await client.closed
    expect(reasons).toEqual([expect.stringContaining('0 to 524288 are accepted')])
    const known = await connectTo(listener.port, 'PLAIN', 'alice', 'secret')
    expect(await known.request(Heartbeat, { ...heartbeat, memberId: 'm'.repeat(30_000) })).toMatchObject({ errorCode: 0 })
    const large = Array.from({ length: 600_000 / 30_000 }, () => ({ name: 't'.repeat(30_000) }))
    await expect(known.send(Metadata, 12, { topics: large })).resolves.toMatchObject({ topics: [] })
    known.close()
  })

  it('names its mechanisms to who asks for another', async () => {
    await using listener = await listen(node(), { sasl: { users: { alice: 'secret' }, mechanisms: ['SCRAM-SHA-256', 'SCRAM-SHA-512'] } })
    using client = await RawClient.connect(listener.port)
    client.request(SaslHandshake, 1, { mechanism: 'PLAIN' })
    expect((await client.response(SaslHandshake, 1)).body).toEqual({ errorCode: 33, mechanisms: ['SCRAM-SHA-256', 'SCRAM-SHA-512'] })
    await expect(connectTo(listener.port, 'PLAIN', 'alice', 'secret')).rejects.toThrow('The broker offers SCRAM-SHA-256, SCRAM-SHA-512')
  })

  it('takes bare tokens after a handshake of version 0, as old clients send them', async () => {
    await using listener = await listen(node(), { sasl: { users: { alice: 'secret' } } })
    using client = await RawClient.connect(listener.port)
    client.request(SaslHandshake, 0, { mechanism: 'PLAIN' })
    expect((await client.response(SaslHandshake, 0)).body.errorCode).toBe(0)
    client.send(Uint8Array.of(0, 0, 0, 13), text('\0alice\0secret'))
    expect(await client.frame()).toEqual(new Uint8Array(0))
    client.request(Heartbeat, 0, heartbeat)
    expect((await client.response(Heartbeat, 0)).body.errorCode).toBe(0)
  })

  it('refuses a second handshake, and a token without one', async () => {
    await using listener = await listen(node(), { sasl: { users: { alice: 'secret' } } })
    using client = await RawClient.connect(listener.port)
    client.request(SaslHandshake, 1, { mechanism: 'PLAIN' })
    await client.response(SaslHandshake, 1)
    client.request(SaslHandshake, 1, { mechanism: 'PLAIN' })
    expect((await client.response(SaslHandshake, 1)).body.errorCode).toBe(errorNumber('ILLEGAL_SASL_STATE'))
    using other = await RawClient.connect(listener.port)
    other.request(SaslAuthenticate, 2, { authBytes: text('\0alice\0secret') })
    expect((await other.response(SaslAuthenticate, 2)).body.errorCode).toBe(errorNumber('ILLEGAL_SASL_STATE'))
    expect(await other.frame()).toBeUndefined()
  })
})

describe('SCRAM', () => {
  const users = Users.of({ alice: 'secret' })

  it('refuses a server that does not know the password', async () => {
    const client = clientExchange({ mechanism: 'SCRAM-SHA-256', username: 'alice', password: 'secret' })
    const server = serverExchange('SCRAM-SHA-256', credentials(await users, {}))
    const first = await server.step((await client.next(new Uint8Array(0))) as Uint8Array)
    await server.step((await client.next(first)) as Uint8Array)
    await expect(client.next(text('v=AAAA'))).rejects.toThrow('could not prove')
  })

  it('does not tell who is a user: a name that nobody has is given a salt as well, and always the same', async () => {
    const saltOf = async (name: string) => {
      const first = await serverExchange('SCRAM-SHA-256', credentials(await users, {})).step(text(`n,,n=${name},r=abc`))
      return /s=([^,]+),i=4096$/.exec(new TextDecoder().decode(first))?.[1]
    }
    const salts = [await saltOf('alice'), await saltOf('bob'), await saltOf('carol')]
    expect(new Set(salts.map(salt => salt?.length))).toEqual(new Set([32]))
    expect(new Set(salts).size).toBe(3)
    expect(await saltOf('bob')).toBe(salts[1])
  })

  it.each(['', 'n,,', 'n,,n=alice', 'p=tls-unique,,n=alice,r=abc', 'n,,n=al=ice,r=abc', 'n,a=bob,n=alice,r=abc', '\0\0', 'n,,n=alice,r='])(
    'refuses %j',
    async message => {
      await expect(serverExchange('SCRAM-SHA-256', credentials(await users, {})).step(text(message))).rejects.toMatchObject({
        code: 'SASL_AUTHENTICATION_FAILED'
      })
    }
  )

  it.each([
    ['another nonce', (final: string) => final.replace(/r=./, 'r=!')],
    ['another channel binding', (final: string) => final.replace('c=biws', 'c=eSws')],
    ['another proof', (final: string) => final.replace(/p=.*/, `p=${Buffer.alloc(32).toString('base64')}`)],
    ['no proof', (final: string) => final.replace(/,p=.*/, '')],
    ['a proof that is no base64', (final: string) => final.replace(/p=.*/, 'p=???')],
    ['a short proof', (final: string) => final.replace(/p=.*/, 'p=AAAA')]
  ])('refuses a last message with %s', async (_, change) => {
    const client = clientExchange({ mechanism: 'SCRAM-SHA-256', username: 'alice', password: 'secret' })
    const server = serverExchange('SCRAM-SHA-256', credentials(await users, {}))
    const first = await server.step((await client.next(new Uint8Array(0))) as Uint8Array)
    const final = new TextDecoder().decode((await client.next(first)) as Uint8Array)
    await expect(server.step(text(change(final)))).rejects.toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED' })
    expect(server.user).toBeUndefined()
  })
})

const certificate = selfSigned()

describe.skipIf(!certificate)('a listener with TLS', () => {
  const { key, cert } = certificate ?? {}

  it('speaks to who trusts its certificate', async () => {
    await using listener = await listen(node(), { tls: { key, cert }, sasl: { users: { alice: 'secret' } } })
    const sasl = { mechanism: 'PLAIN', username: 'alice', password: 'secret' } as const
    const connection = await Connection.open({ host: 'localhost', port: listener.port }, { tls: { ca: cert }, sasl })
    expect(await connection.request(Heartbeat, heartbeat)).toMatchObject({ errorCode: 0 })
    connection.close()
    const distrusting = Connection.open({ host: 'localhost', port: listener.port }, { tls: true, sasl })
    await expect(distrusting).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION', message: expect.stringContaining('self-signed') })
  })

  it('answers what is being answered before it closes', async () => {
    const [asked, wait] = [deferred(), deferred()]
    const slow = new ScriptedNode().answer(Heartbeat, async () => {
      asked.resolve()
      await wait.promise
      return { errorCode: 0 }
    })
    const listener = await listen(slow, { tls: { key, cert } })
    const connection = await Connection.open({ host: 'localhost', port: listener.port }, { tls: { ca: cert } })
    const answer = connection.request(Heartbeat, heartbeat)
    await asked.promise
    const closed = listener.close()
    setImmediate(wait.resolve)
    expect(await answer).toMatchObject({ errorCode: 0 })
    await closed
  })

  it('does not answer who speaks plainly, says so, and closes with one still there who says nothing', async () => {
    const listener = await listen(node(), { tls: { key, cert } })
    const reasons: (string | undefined)[] = []
    listener.on('disconnected', ({ reason }) => reasons.push(reason?.message))
    using plain = await RawClient.connect(listener.port)
    plain.request(Heartbeat, 0, heartbeat)
    expect(await plain.frame()).toBeUndefined()
    expect(reasons).toEqual([expect.stringMatching(/^TLS: /)])
    using silent = await RawClient.connect(listener.port)
    await listener.close()
    await silent.closed
  })
})
