import { X509Certificate } from 'node:crypto'
import kafkajs from 'kafkajs'
import { afterEach, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { connect } from '../../src/wire/connect.js'
import { subjectOf } from '../../src/wire/distinguished-name.js'
import { listen } from '../../src/wire/listener.js'
import type { ListenOptions } from '../../src/wire/listener-options.js'
import type { TlsOptions } from '../../src/wire/tls-options.js'
import { selfSigned } from './certificate.js'
import { ScriptedNode } from './scripted-node.js'

const server = selfSigned()
const ann = selfSigned('/C=DE/O=Acme, Inc./CN=ann')
const stranger = selfSigned('/CN=ann')
const annsName = 'CN=ann,O=Acme\\, Inc.,C=DE'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function open(tls: Partial<TlsOptions>, options: ListenOptions = {}) {
  const cluster = await Cluster.open()
  ends.push(() => cluster.close())
  await cluster.admin().createTopics(['orders', 'open'])
  await cluster.admin().createAcls([
    { resource: { topic: 'orders' }, principal: `User:${annsName}`, operation: 'read' },
    { resource: { topic: 'orders' }, principal: 'User:ann', operation: 'read' },
    { resource: { topic: 'open' }, principal: 'User:*', operation: 'read' }
  ])
  const listener = await listen(cluster, { acls: true, tls: { ...server, ca: ann?.cert, ...tls }, advertisedHost: 'localhost', ...options })
  ends.push(() => listener.close())
  const [reasons, errors]: [string[], string[]] = [[], []]
  const hosts: string[] = []
  listener.on('disconnected', ({ reason, clientHost }) => {
    if (reason) reasons.push(`${reason.code}: ${reason.message}`)
    hosts.push(clientHost)
  })
  listener.on('error', error => errors.push((error as Error).message))
  const topics = async (identity: Partial<TlsOptions> = {}, sasl?: { mechanism: 'PLAIN'; username: string; password: string }) => {
    const tls = { ca: server?.cert, ...identity }
    await using elsewhere = await connect({ brokers: [listener.address], tls, ...(sasl && { sasl }) })
    return (await elsewhere.admin().listTopics()).map(({ name }) => name).sort()
  }
  return { listener, reasons, hosts, errors, topics }
}

const reason = (text: string) => ({ code: 'NETWORK_EXCEPTION', cause: { message: expect.stringContaining(text) } })

describe.skipIf(!server)('a listener that asks for certificates', () => {
  it('knows a client by the subject of its certificate, as Kafka writes it', async () => {
    const { topics, reasons } = await open({ clientAuth: 'required' })
    expect(await topics(ann)).toEqual(['open', 'orders'])
    expect(reasons).toEqual([])
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'refuses in plain words at both ends whoever shows none, or one that is not trusted (%s)',
    async maxVersion => {
      const { topics, reasons } = await open({ clientAuth: 'required', maxVersion })
      await expect(topics()).rejects.toMatchObject(
        reason('closed it before it answered; it may ask for a certificate (`tls.cert` and `tls.key`)')
      )
      await expect(topics(stranger)).rejects.toMatchObject(reason('closed it before it answered; it may not trust our certificate'))
      expect(reasons).toEqual([
        'NETWORK_EXCEPTION: TLS: The client showed no certificate, which this listener requires',
        expect.stringMatching(/^NETWORK_EXCEPTION: TLS: The certificate of the client, CN=ann, is not trusted: .*SELF_SIGNED/)
      ])
    }
  )

  it('takes clients without a certificate for anonymous where it only requests one', async () => {
    const { topics, reasons } = await open({ clientAuth: 'requested' })
    expect(await topics()).toEqual(['open'])
    expect(await topics(ann)).toEqual(['open', 'orders'])
    await expect(topics(stranger)).rejects.toMatchObject(reason('it may not trust our certificate'))
    expect(reasons).toEqual([expect.stringContaining('is not trusted')])
  })

  it('understands `requestCert` of node:tls, and gives no name to a certificate that it is told not to verify', async () => {
    const strict = await open({ requestCert: true })
    expect(await strict.topics(ann)).toEqual(['open', 'orders'])
    await expect(strict.topics(stranger)).rejects.toMatchObject(reason('it may not trust our certificate'))
    const lax = await open({ requestCert: true, rejectUnauthorized: false })
    for (const identity of [ann, stranger, {}]) expect(await lax.topics(identity)).toEqual(['open'])
  })

  it('maps certificates to users by a function, which may refuse them, and tells where that fails', async () => {
    const first = await open({ clientAuth: 'required', userOfCertificate: subject => /^CN=([^,]+)/.exec(subject)?.[1] })
    expect(await first.topics(ann)).toEqual(['open', 'orders'])
    const seen: string[] = []
    const none = await open({
      clientAuth: 'required',
      userOfCertificate: (subject, der) => {
        seen.push(subject, new X509Certificate(der).subject)
        return undefined
      }
    })
    await expect(none.topics(ann)).rejects.toMatchObject(reason('closed it before it answered'))
    expect(seen).toEqual([annsName, 'C=DE\nO=Acme\\, Inc.\nCN=ann'])
    expect(none.errors).toEqual([])
    const failing = () => {
      throw new Error('no rule for that')
    }
    for (const [userOfCertificate, message] of [
      [failing, /no rule for that/],
      [() => 7 as unknown as string, /to return the name of a user or undefined, got `7`/]
    ] as const) {
      const { topics, reasons, hosts, errors } = await open({ clientAuth: 'required', userOfCertificate })
      await expect(topics(ann)).rejects.toMatchObject(reason('closed it before it answered'))
      expect(errors).toEqual([expect.stringMatching(message)])
      expect(reasons).toEqual([expect.stringMatching(message)])
      expect(hosts).toEqual(['/127.0.0.1'])
    }
  })

  it('knows a client by its password where there is one, and wants the certificate as well', async () => {
    const sasl = { mechanism: 'PLAIN', username: 'bob', password: 'secret' } as const
    const { topics } = await open({ clientAuth: 'required' }, { sasl: { users: { bob: 'secret' } } })
    expect(await topics(ann, sasl)).toEqual(['open'])
    await expect(topics({}, sasl)).rejects.toMatchObject(reason('it may ask for a certificate'))
  })

  it('lets kafkajs in by a certificate', async () => {
    const { listener } = await open({ clientAuth: 'required' })
    const { Kafka, logLevel } = kafkajs
    const ssl = { ca: [server?.cert ?? ''], key: ann?.key, cert: ann?.cert }
    const admin = new Kafka({ brokers: [listener.address], ssl, logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin()
    await admin.connect()
    expect((await admin.listTopics()).sort()).toEqual(['open', 'orders'])
    await admin.disconnect()
  })

  it('has options that are checked where they are given', async () => {
    const wrong: [TlsOptions, RegExp][] = [
      [{ clientAuth: 'maybe' as 'none', ca: 'x' }, /Expected `tls.clientAuth` to be one of/],
      [{ clientAuth: 'required' }, /Expected `tls.ca` beside `tls.clientAuth`/],
      [{ clientAuth: 'required', ca: 'x', requestCert: true }, /either `tls.clientAuth` or `tls.requestCert`/],
      [{ userOfCertificate: 'CN' as never }, /Expected `tls.userOfCertificate` to be a function/]
    ]
    for (const [tls, message] of wrong) await expect(listen(new ScriptedNode(), { tls: { ...server, ...tls } })).rejects.toThrow(message)
  })
})

/** Java's `X500Principal.getName()` gave these. */
const names = [
  ['/C=DE/O=a, "b"\\ /emailAddress=a@b.c+UID=u1/CN= ä ', 'CN=\\ ä\\ ,UID=u1+1.2.840.113549.1.9.1=#16056140622e63,O=a\\, \\"b\\"\\ ,C=DE'],
  ['/DC=org/O=x\\=y#z;<q>\\+ b/ST=\\#a/serialNumber=12/CN=#a', 'CN=\\#a,2.5.4.5=#13023132,ST=\\#a,O=x\\=y\\#z\\;\\<q\\>\\+ b,DC=org']
]

it.skipIf(!server).each(names)('the subject %s is written as Java writes it', (subject, name) => {
  expect(subjectOf(new X509Certificate(selfSigned(subject)?.cert ?? '').raw)).toBe(name)
})
