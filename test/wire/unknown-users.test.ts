import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { AlterUserScramCredentials } from '../../src/protocol/messages/alter-user-scram-credentials.js'
import { SaslAuthenticate } from '../../src/protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../../src/protocol/messages/sasl-handshake.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { connect, type ListenOptions, listen, Users } from '../../src/wire/index.js'
import { FailureDelay } from '../../src/wire/sasl/failure-delay.js'
import { guesserAt } from '../../src/wire/sasl/guesser.js'
import { RawClient } from './raw-client.js'

/** What a listener tells of a name before any password is given: iterations, and the bytes of the salt. */
async function shapeOf(port: number, name: string, mechanism = 'SCRAM-SHA-256') {
  using client = await RawClient.connect(port)
  client.request(SaslHandshake, 1, { mechanism })
  await client.response(SaslHandshake, 1)
  client.request(SaslAuthenticate, 2, { authBytes: Buffer.from(`n,,n=${name},r=x`) })
  const { body } = await client.response(SaslAuthenticate, 2)
  const text = Buffer.from(body.authBytes).toString()
  const salt = Buffer.from(/s=([^,]*)/.exec(text)?.[1] ?? '', 'base64')
  return { iterations: Number(/i=(\d+)/.exec(text)?.[1]), saltBytes: salt.length, salt: salt.toString('hex') }
}

async function opened(users: Users, options: ListenOptions = {}) {
  const cluster = await Cluster.open()
  const listener = await listen(cluster, { sasl: { users }, ...options })
  return {
    cluster,
    listener,
    port: listener.port,
    async [Symbol.asyncDispose]() {
      await listener.close()
      await cluster.close()
    }
  }
}

describe('a user that there is not', () => {
  it('looks like one that there is, each time in the same way', async () => {
    const users = new Users()
    await users.add('strong', 'pw', 20_000)
    await using server = await opened(users)
    const [strong, nobody, again, other] = await Promise.all(
      ['strong', 'nobody', 'nobody', 'nobody2'].map(name => shapeOf(server.port, name))
    )
    for (const each of [nobody, other]) expect([each.iterations, each.saltBytes]).toEqual([20_000, strong.saltBytes])
    expect(again.salt).toBe(nobody.salt)
    expect(new Set([strong.salt, nobody.salt, other.salt]).size).toBe(3)
    expect((await shapeOf(server.port, 'nobody', 'SCRAM-SHA-512')).salt).not.toBe(nobody.salt)
  })

  it('looks like one of the users whom clients made, too', async () => {
    await using server = await opened(new Users())
    const salt = new Uint8Array(26).fill(7)
    const saltedPassword = new Uint8Array(32).fill(1)
    const upsertions = [{ name: 'made', mechanism: 1, iterations: 9000, salt, saltedPassword }]
    await server.cluster.node?.connect({ clientId: 'test' }).request(AlterUserScramCredentials, { deletions: [], upsertions })
    expect(await shapeOf(server.port, 'made')).toMatchObject({ iterations: 9000, saltBytes: 26 })
    expect(await shapeOf(server.port, 'nobody')).toMatchObject({ iterations: 9000, saltBytes: 26 })
  })

  it('is one of several kinds where the users are', async () => {
    const users = new Users()
    await users.add('weak', 'pw', 4096)
    await users.add('strong', 'pw', 8192)
    await using server = await opened(users)
    const shapes = await Promise.all(Array.from({ length: 24 }, (_, i) => shapeOf(server.port, `nobody${i}`)))
    expect(new Set(shapes.map(({ iterations }) => iterations))).toEqual(new Set([4096, 8192]))
  })
})

describe('failed authentications', () => {
  it('of one address are told one after the other, and none waits for ever', async () => {
    const clock = new VirtualClock()
    const delay = new FailureDelay(clock, 100)
    const told: string[] = []
    for (const [who, address] of Object.entries({ a1: '/a', a2: '/a', b1: '/b' })) void delay.of(address).then(() => told.push(who))
    await clock.advance(99)
    expect(told).toEqual([])
    await clock.advance(1)
    expect(told).toEqual(['a1', 'b1'])
    await clock.advance(100)
    expect(told).toEqual(['a1', 'b1', 'a2'])
    for (let i = 0; i < 100; i++) void delay.of('/c').then(() => told.push('c'))
    await clock.advance(2000)
    expect(told).toHaveLength(103)
  })

  it.each([
    ['/127.0.0.1', '/127.0.0.1'],
    ['/2001:db8:1:2:3:4:5:6', '/2001:db8:1:2::/64'],
    ['/2001:db8:1:2::9', '/2001:db8:1:2::/64'],
    ['/2001:db8::9', '/2001:db8:0:0::/64'],
    ['/fe80::1%eth0', '/fe80:0:0:0::/64']
  ])('at %s are counted for %s', (clientHost, guesser) => {
    expect(guesserAt(clientHost)).toBe(guesser)
  })

  it('are told late, and those that succeed are not', async () => {
    const users = new Users()
    await users.add('ann', 'secret')
    await using server = await opened(users, { connectionFailedAuthenticationDelayMs: 150 })
    const login = (password: string) =>
      connect({ brokers: [server.listener.address], sasl: { mechanism: 'PLAIN', username: 'ann', password } })
    const start = performance.now()
    await expect(login('wrong')).rejects.toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED' })
    expect(performance.now() - start).toBeGreaterThanOrEqual(149)
    await using remote = await login('secret')
    expect(await remote.admin().listTopics()).toEqual([])
  })
})
