import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalBroker } from '../../../src/broker/local-broker.js'
import { MemoryStorage } from '../../../src/storage/memory/memory.js'
import { type Listener, listen } from '../../../src/wire/listener.js'
import { passwordMechanisms } from '../../../src/wire/sasl/sasl-options.js'
import { selfSigned } from '../../wire/certificate.js'
import { kafkaTool, missingKafka } from '../kafka/apache-kafka.js'
import { kcat } from './kcat.js'
import { runCommand } from './run-command.js'

const certificate = selfSigned()
const withoutKcat = await kcat.missing()
const withoutJava = await missingKafka()

describe.skipIf(!certificate)('clients that others wrote, before a listener with TLS and users', () => {
  let folder: string
  let node: LocalBroker
  let listener: Listener

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    await writeFile(join(folder, 'ca.pem'), certificate?.cert ?? '')
    node = await LocalBroker.open({ storage: new MemoryStorage() })
    const tls = { key: certificate?.key, cert: certificate?.cert }
    listener = await listen(node, { tls, sasl: { users: { alice: 'secret' } }, advertisedHost: 'localhost' })
  })

  afterAll(async () => {
    await listener.close()
    await node.close()
    await rm(folder, { recursive: true })
  })

  it.skipIf(withoutKcat).each(passwordMechanisms)('kcat comes in by %s', async mechanism => {
    const login = (password: string) => [
      ...['security.protocol=SASL_SSL', `ssl.ca.location=${join(folder, 'ca.pem')}`, `sasl.mechanism=${mechanism}`],
      ...['sasl.username=alice', `sasl.password=${password}`]
    ]
    const run = (args: readonly string[], password: string, input = '') =>
      runCommand('kcat', ['-b', listener.address, '-q', ...login(password).flatMap(setting => ['-X', setting]), ...args], { input })
    await run(['-P', '-t', `kcat-${mechanism}`], 'secret', 'hello\n')
    expect(await run(['-C', '-t', `kcat-${mechanism}`, '-e', '-o', 'beginning'], 'secret')).toBe('hello\n')
    await expect(run(['-L', '-m', '3'], 'wrong')).rejects.toThrow('kcat ended with')
  })

  it.skipIf(withoutKcat)('kcat comes in by OAUTHBEARER, and hears why its token is refused', async () => {
    // The token that librdkafka makes for tests is not signed.
    const validate = (token: string) => {
      const { sub, exp } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
      return sub === 'ann' ? { user: sub, expiresAtMs: exp * 1000 } : undefined
    }
    const tls = { key: certificate?.key, cert: certificate?.cert }
    await using tokens = await listen(node, { tls, sasl: { oauthBearer: { validate } }, advertisedHost: 'localhost' })
    const list = (principal: string) => {
      const settings = [
        ...['security.protocol=SASL_SSL', `ssl.ca.location=${join(folder, 'ca.pem')}`, 'sasl.mechanism=OAUTHBEARER'],
        ...['enable.sasl.oauthbearer.unsecure.jwt=true', `sasl.oauthbearer.config=principal=${principal} extension_traceId=7`]
      ]
      return runCommand('kcat', ['-b', tokens.address, ...settings.flatMap(setting => ['-X', setting]), '-L', '-m', '3'])
    }
    expect(await list('ann')).toContain(`broker 0 at localhost:${tokens.port}`)
    await expect(list('bob')).rejects.toThrow('invalid_token')
  })

  it.each(passwordMechanisms)('kafkajs comes in by %s', async mechanism => {
    const ssl = { ca: [certificate?.cert ?? ''] }
    const connecting = (password: string) => {
      const sasl = { mechanism: mechanism.toLowerCase() as 'plain', username: 'alice', password }
      const { Kafka, logLevel } = kafkajs
      return new Kafka({ brokers: [listener.address], ssl, sasl, logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin()
    }
    const admin = connecting('secret')
    await admin.connect()
    expect(await admin.describeCluster()).toMatchObject({ brokers: [{ host: 'localhost', port: listener.port }] })
    await admin.disconnect()
    const refused = connecting('wrong')
    await expect(refused.connect()).rejects.toThrow('Invalid user name or password')
    await refused.disconnect()
  })

  it.skipIf(withoutJava)(
    'Java makes a user, who then comes in',
    async () => {
      const properties = async (mechanism: string, user: string, password: string) => {
        const module = mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule'
        const file = join(folder, `${user}.properties`)
        const lines = [
          'security.protocol=SASL_SSL',
          'ssl.truststore.type=PEM',
          `ssl.truststore.location=${join(folder, 'ca.pem')}`,
          `sasl.mechanism=${mechanism}`,
          `sasl.jaas.config=org.apache.kafka.common.security.${module} required username="${user}" password="${password}";`
        ]
        await writeFile(file, lines.join('\n'))
        return file
      }
      const at = ['--bootstrap-server', listener.address]
      const users = ['--entity-type', 'users', '--entity-name', 'bob']
      const alice = await properties('PLAIN', 'alice', 'secret')
      const config = (...args: string[]) => kafkaTool('kafka.admin.ConfigCommand', [...at, '--command-config', alice, ...users, ...args])
      await config('--alter', '--add-config', 'SCRAM-SHA-512=[iterations=8192,password=builder]')
      const bob = await properties('SCRAM-SHA-512', 'bob', 'builder')
      const topics = await kafkaTool('org.apache.kafka.tools.TopicCommand', [...at, '--command-config', bob, '--list'])
      expect(topics).toBeTypeOf('string')
    },
    60_000
  )
})
