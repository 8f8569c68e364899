import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { connect, type Listener, listen } from '../../src/wire/index.js'
import { selfSigned } from './certificate.js'

const certificate = selfSigned()

/** The reasons for which a listener ends connections, as they come. */
function reasonsOf(listener: Listener): string[] {
  const reasons: string[] = []
  listener.on('disconnected', ({ reason }) => {
    if (reason) reasons.push(reason.message)
  })
  return reasons
}

describe('a client and a listener that do not fit', () => {
  it('hear of credentials that are missing, at the first question', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster, { sasl: { users: { ann: 'secret' } } })
    const reasons = reasonsOf(listener)
    await using remote = await connect({ brokers: [listener.address] })
    await expect(remote.admin().listTopics()).rejects.toMatchObject({
      code: 'SASL_AUTHENTICATION_FAILED',
      message: expect.stringMatching(/give `sasl` with one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512/)
    })
    expect(reasons[0]).toContain('the client has given no credentials')
  })

  it('hear of credentials that nobody asks for', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster)
    const sasl = { mechanism: 'PLAIN', username: 'ann', password: 'secret' } as const
    await expect(connect({ brokers: [listener.address], sasl })).rejects.toMatchObject({
      code: 'ILLEGAL_SASL_STATE',
      message: expect.stringContaining('leave out `sasl`')
    })
  })

  it.skipIf(!certificate)('hear of TLS at a port without it', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster)
    const reasons = reasonsOf(listener)
    const tls = { ca: certificate?.cert }
    await expect(connect({ brokers: [listener.address], tls })).rejects.toThrowError(/not speak TLS on this port/)
    expect(reasons).toEqual(['The client speaks TLS, and this port does not (`tls`)'])
  })

  it.skipIf(!certificate)('hear of a port with TLS that they do not speak', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster, { tls: { key: certificate?.key, cert: certificate?.cert } })
    const reasons = reasonsOf(listener)
    await expect(connect({ brokers: [listener.address] })).rejects.toThrowError(/may speak TLS on this port/)
    expect(reasons[0]).toContain('TLS: the client does not speak it, as this port does')
  })

  it.skipIf(!certificate)('are named by their address where they do not trust the certificate of a port', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster, { tls: { key: certificate?.key, cert: certificate?.cert } })
    const left = once(listener as never, 'disconnected')
    const client = spawn('openssl', ['s_client', '-verify_return_error', '-connect', listener.address], {
      stdio: ['pipe', 'ignore', 'ignore']
    })
    client.stdin.on('error', () => {})
    expect((await left)[0]).toMatchObject({
      clientHost: '/127.0.0.1',
      reason: { message: expect.stringMatching(/^TLS: the client does not trust the certificate of this port \([\w ]+\)$/) }
    })
    client.kill()
  })
})
