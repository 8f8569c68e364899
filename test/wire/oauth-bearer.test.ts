import { createHmac, timingSafeEqual } from 'node:crypto'
import kafkajs from 'kafkajs'
import { afterEach, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { errorNumber } from '../../src/errors.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { SaslAuthenticate } from '../../src/protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../../src/protocol/messages/sasl-handshake.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { connect } from '../../src/wire/connect.js'
import { Connection } from '../../src/wire/connection.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import type { ListenOptions } from '../../src/wire/listener-options.js'
import type { OAuthBearerServerOptions, OAuthBearerToken, TokenContext } from '../../src/wire/sasl/sasl-options.js'
import { RawClient } from './raw-client.js'
import { ScriptedNode } from './scripted-node.js'

const secret = 'a secret of the issuer'
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const signature = (text: string) => createHmac('sha256', secret).update(text).digest()

/** A JSON Web Token, signed with HS256. */
function issue(sub: string, exp?: number): string {
  const text = `${part({ alg: 'HS256' })}.${part({ sub, ...(exp !== undefined && { exp }) })}`
  return `${text}.${signature(text).toString('base64url')}`
}

function validate(token: string) {
  const [head, claims, proof = ''] = token.split('.')
  const given = Buffer.from(proof, 'base64url')
  const expected = signature(`${head}.${claims}`)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Error('the signature is wrong')
  const { sub, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  return { user: sub, ...(exp !== undefined && { expiresAtMs: exp * 1000 }) }
}

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const failed = errorNumber('SASL_AUTHENTICATION_FAILED')
const text = (value: string) => new TextEncoder().encode(value)
const first = (token: string, name = '', extensions = '') => text(`n,${name},\x01auth=Bearer ${token}\x01${extensions}\x01`)

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function open(oauthBearer: Partial<OAuthBearerServerOptions> = {}, options: ListenOptions = {}) {
  const clock = new VirtualClock()
  const node = new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 }))
  const atOnce = { connectionFailedAuthenticationDelayMs: 0 }
  const listener = await listen(node, { sasl: { oauthBearer: { validate, ...oauthBearer } }, clock, ...atOnce, ...options })
  ends.push(() => listener.close())
  const [reasons, errors]: [string[], string[]] = [[], []]
  listener.on('disconnected', ({ reason }) => reason && reasons.push(`${reason.code}: ${reason.message}`))
  listener.on('error', error => errors.push((error as Error).message))
  return { clock, listener, reasons, errors }
}

async function begin(listener: Listener): Promise<RawClient> {
  const client = await RawClient.connect(listener.port)
  ends.push(() => client[Symbol.dispose]())
  client.request(SaslHandshake, 1, { mechanism: 'OAUTHBEARER' })
  expect((await client.response(SaslHandshake, 1)).body).toEqual({ errorCode: 0, mechanisms: ['OAUTHBEARER'] })
  return client
}

async function say(client: RawClient, authBytes: Uint8Array) {
  client.request(SaslAuthenticate, 2, { authBytes })
  return (await client.response(SaslAuthenticate, 2)).body
}

const comeIn = (listener: Listener, token: () => OAuthBearerToken | Promise<OAuthBearerToken>, clock?: VirtualClock) =>
  Connection.open({ host: '127.0.0.1', port: listener.port }, { sasl: { mechanism: 'OAUTHBEARER', token }, ...(clock && { clock }) })

describe('a listener that asks for OAUTHBEARER', () => {
  it('lets in whoever shows a valid token, for as long as that is valid', async () => {
    const { clock, listener, reasons } = await open()
    const client = await begin(listener)
    const answer = await say(client, first(issue('ann', clock.now() / 1000 + 60)))
    expect(answer).toEqual({ errorCode: 0, errorMessage: null, authBytes: new Uint8Array(0), sessionLifetimeMs: 60_000 })
    await clock.advance(59_999)
    client.request(Heartbeat, 0, heartbeat)
    expect((await client.response(Heartbeat, 0)).body.errorCode).toBe(0)
    await clock.advance(1)
    client.request(Heartbeat, 0, heartbeat)
    expect(await client.frame()).toBeUndefined()
    expect(reasons).toEqual([expect.stringContaining('after the session of User:ann had ended')])
  })

  it('ends a session by what comes first, the end of the token or that of the session', async () => {
    const { clock, listener } = await open({}, { connectionsMaxReauthMs: 30_000 })
    const lifetimes: unknown[] = []
    for (const exp of [20, 60, undefined]) {
      const token = issue('ann', exp && clock.now() / 1000 + exp)
      lifetimes.push((await say(await begin(listener), first(token))).sessionLifetimeMs)
    }
    expect(lifetimes).toEqual([20_000, 30_000, 30_000])
  })

  it('tells a client why its token is refused as the RFC says, and no more; the listener tells the reason', async () => {
    const { clock, listener, reasons, errors } = await open({ scope: 'kafka', openidConfiguration: 'https://issuer.example/config' })
    const json = '{"status":"invalid_token","scope":"kafka","openid-configuration":"https://issuer.example/config"}'
    for (const token of ['forged.forged.forged', issue('ann', clock.now() / 1000)]) {
      const client = await begin(listener)
      const answer = await say(client, first(token))
      expect(answer).toMatchObject({ errorCode: 0, sessionLifetimeMs: 0 })
      expect(new TextDecoder().decode(answer.authBytes)).toBe(json)
      expect(await say(client, Uint8Array.of(1))).toMatchObject({ errorCode: failed, errorMessage: `Authentication failed: ${json}` })
      expect(await client.frame()).toBeUndefined()
    }
    expect(reasons).toEqual([
      `SASL_AUTHENTICATION_FAILED: Authentication failed: ${json} (the signature is wrong)`,
      `SASL_AUTHENTICATION_FAILED: Authentication failed: ${json} (the token has expired)`
    ])
    expect(errors).toEqual([])
  })

  it('serves nobody whose token it refused, whatever the client makes of that', async () => {
    const { listener, reasons } = await open()
    const client = await begin(listener)
    await say(client, first('forged'))
    client.request(Heartbeat, 0, heartbeat)
    expect(await client.frame()).toBeUndefined()
    const again = await begin(listener)
    await say(again, first('forged'))
    expect(await say(again, first(issue('ann')))).toMatchObject({ errorCode: failed })
    expect(reasons).toEqual(Array(2).fill(expect.stringMatching(/^SASL_AUTHENTICATION_FAILED: .*invalid_token.*the signature is wrong/)))
  })

  it('tells the validation what the client said beside the token, and where it comes from', async () => {
    const seen: TokenContext[] = []
    const { listener } = await open({
      validate: async (token, context) => {
        seen.push(context)
        return validate(token)
      }
    })
    const answer = await say(await begin(listener), first(issue('a,n'), 'a=a=2Cn', 'traceId=7 8\x01tenant=x=y\x01'))
    expect(answer).toMatchObject({ errorCode: 0, sessionLifetimeMs: 0 })
    expect(seen).toEqual([{ extensions: { traceId: '7 8', tenant: 'x=y' }, host: '127.0.0.1', signal: expect.any(AbortSignal) }])
  })

  it.each([
    ['a name that is not the owner’s', first(issue('ann'), 'a=bob'), /must be the owner of the token/],
    ['no message at all', text(''), /not of the form/],
    ['an acknowledgement of nothing', Uint8Array.of(1), /not of the form/],
    ['channel binding', text(`p=tls-unique,,\x01auth=Bearer x\x01\x01`), /not of the form/],
    ['no end', text('n,,\x01auth=Bearer x\x01'), /not of the form/],
    ['another scheme', text('n,,\x01auth=Basic x\x01\x01'), /no bearer token/],
    ['a token of other characters', first('tök en'), /no bearer token/],
    ['two tokens', first('x', '', 'auth=Bearer y\x01'), /given twice/],
    ['an extension that is not printable', first('x', '', 'a=\x02\x01'), /not printable/],
    ['an extension without a key', first('x', '', '=b\x01'), /not printable/]
  ])('refuses %s', async (_what, message, error) => {
    const { listener } = await open()
    expect(await say(await begin(listener), message)).toMatchObject({ errorCode: failed, errorMessage: expect.stringMatching(error) })
  })

  it.each([
    ['takes too long', () => new Promise<undefined>(() => {}), /longer than 20 ms/],
    ['returns no owner', () => true as unknown as undefined, /return \{ user, expiresAtMs \} or undefined, got `true`/],
    ['returns an owner without a name', () => ({ user: '' }), /got `an object`/],
    ['returns a time that is none', () => ({ user: 'ann', expiresAtMs: Number.NaN }), /got `an object`/]
  ])('refuses the token where the validation %s, and tells so', async (_how, wrong, message) => {
    const { clock, listener, reasons, errors } = await open({ validate: wrong, timeoutMs: 20 })
    const client = await begin(listener)
    client.request(SaslAuthenticate, 2, { authBytes: first('x') })
    while (client.frames.length === 0) await clock.advance(20)
    expect(new TextDecoder().decode((await client.response(SaslAuthenticate, 2)).body.authBytes)).toBe('{"status":"invalid_token"}')
    await say(client, Uint8Array.of(1))
    await client.closed
    expect(errors).toEqual([expect.stringMatching(message)])
    expect(reasons).toEqual([expect.stringMatching(message)])
  })

  it('takes passwords as well where it has users', async () => {
    const { listener } = await open({}, { sasl: { users: { bob: 'secret' }, oauthBearer: { validate } } })
    const sasl = { mechanism: 'SCRAM-SHA-512', username: 'bob', password: 'secret' } as const
    const bob = await Connection.open({ host: '127.0.0.1', port: listener.port }, { sasl })
    const ann = await comeIn(listener, () => issue('ann'))
    for (const connection of [bob, ann]) {
      expect(await connection.request(Heartbeat, heartbeat)).toMatchObject({ errorCode: 0 })
      connection.close()
    }
  })

  it('knows the owner of the token as the principal, to ACLs as well', async () => {
    await using cluster = await Cluster.open()
    await cluster.admin().createTopics(['orders', 'secret'])
    await cluster.admin().createAcls([{ resource: { topic: 'orders' }, principal: 'User:ann', operation: 'read' }])
    await using listener = await listen(cluster, { acls: true, sasl: { oauthBearer: { validate } } })
    await using ann = await connect({ brokers: [listener.address], sasl: { mechanism: 'OAUTHBEARER', token: () => issue('ann') } })
    expect((await ann.admin().listTopics()).map(({ name }) => name)).toEqual(['orders'])
  })

  it('has options that are checked where they are given', async () => {
    const wrong: [object, RegExp][] = [
      [{}, /Expected `sasl.users`/],
      [{ oauthBearer: validate }, /Expected `sasl.oauthBearer` to be an object with `validate`/],
      [{ oauthBearer: {} }, /Expected `sasl.oauthBearer.validate` to be a function/],
      [{ oauthBearer: { validate, timeoutMs: 0 } }, /Expected `sasl.oauthBearer.timeoutMs`/],
      [{ oauthBearer: { validate, jwks: 'x' } }, /Unknown option `jwks`/],
      [{ users: {}, mechanisms: ['OAUTHBEARER'] }, /Expected `sasl.oauthBearer` beside the mechanism OAUTHBEARER/]
    ]
    for (const [sasl, message] of wrong) {
      await expect(listen(new ScriptedNode(), { sasl } as ListenOptions)).rejects.toThrow(message)
    }
  })
})

describe('a connection with a token', () => {
  it('asks for a new one before the session ends', async () => {
    const { clock, listener, reasons } = await open()
    let issued = 0
    const token = async () => ({ value: issue('ann', clock.now() / 1000 + 60), extensions: { round: String(++issued) } })
    const connection = await comeIn(listener, token, clock)
    for (let round = 1; round <= 3; round++) {
      expect(issued).toBe(round)
      await clock.advance(57_000)
      const asked = [1, 2, 3].map(() => connection.request(Heartbeat, heartbeat))
      for (const answer of asked) expect(await answer).toMatchObject({ errorCode: 0 })
    }
    expect(reasons).toEqual([])
    connection.close()
  })

  it('fails with what the broker says of a token that it refuses', async () => {
    const { listener } = await open()
    await expect(comeIn(listener, () => 'forged')).rejects.toMatchObject({
      code: 'SASL_AUTHENTICATION_FAILED',
      message: 'Authentication failed: {"status":"invalid_token"}'
    })
  })

  it('fails, and may be tried again, where no token can be had', async () => {
    const { listener } = await open()
    const cause = new Error('the issuer is down')
    await expect(comeIn(listener, () => Promise.reject(cause))).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION', retriable: true, cause })
  })

  it.each([
    ['nothing', undefined],
    ['a token with a blank', 'to ken'],
    ['extensions that are called as the token', { value: 'token', extensions: { auth: 'x' } }],
    ['an extension that is no text', { value: 'token', extensions: { a: 1 } }]
  ])('refuses %s, without repeating the secret', async (_what, given) => {
    const { listener } = await open()
    const opened = comeIn(listener, () => given as string)
    await expect(opened).rejects.toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED', message: expect.not.stringContaining('to ken') })
  })

  it('has options that are checked where they are given', async () => {
    const brokers = ['localhost:1']
    const wrong: [object, RegExp][] = [
      [{ mechanism: 'OAUTHBEARER' }, /Expected `sasl.token` to be a function/],
      [{ mechanism: 'OAUTHBEARER', token: () => 'x', username: 'ann' }, /Unknown option `username`/],
      [{ mechanism: 'GSSAPI' }, /Expected `sasl.mechanism`/]
    ]
    for (const [sasl, message] of wrong) await expect(connect({ brokers, sasl } as never)).rejects.toThrow(message)
  })
})

describe('kafkajs', () => {
  const { Kafka, logLevel } = kafkajs
  const admin = ({ address }: Listener, value: string, extensions = {}) =>
    new Kafka({
      brokers: [address],
      sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value, extensions }) },
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 }
    }).admin()

  it('comes in by a token, with extensions or without, and not by a forged one', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster, { sasl: { oauthBearer: { validate } } })
    for (const extensions of [{}, { traceId: 'x' }]) {
      const client = admin(listener, issue('ann', Date.now() / 1000 + 600), extensions)
      await client.connect()
      expect(await client.describeCluster()).toMatchObject({ brokers: [{ port: listener.port }] })
      await client.disconnect()
    }
    const forger = admin(listener, 'forged')
    await expect(forger.connect().then(() => forger.describeCluster())).rejects.toThrow()
    await forger.disconnect()
  })
})
