import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeOf } from '../../src/broker/local-broker.js'
import { Cluster } from '../../src/cluster.js'
import { errorNumber } from '../../src/errors.js'
import type { RequestOf } from '../../src/protocol/message.js'
import { AlterUserScramCredentials } from '../../src/protocol/messages/alter-user-scram-credentials.js'
import { DescribeUserScramCredentials } from '../../src/protocol/messages/describe-user-scram-credentials.js'
import { fileStorage } from '../../src/storage/file/file-storage.js'
import { Connection } from '../../src/wire/connection.js'
import { listen } from '../../src/wire/listener.js'
import { type PasswordMechanism, passwordMechanisms } from '../../src/wire/sasl/sasl-options.js'
import type { ScramMechanism } from '../../src/wire/sasl/scram-keys.js'
import { credentialOf, saltPassword } from '../../src/wire/sasl/scram-keys.js'

type Alter = RequestOf<typeof AlterUserScramCredentials>

const salt = new TextEncoder().encode('some salt')
const numberOf = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 } as const
const sasl = { users: { alice: 'secret' } }

async function upsertion(name: string, mechanism: ScramMechanism, password: string, iterations = 4096) {
  const saltedPassword = await saltPassword(mechanism, password, salt, iterations)
  return { name, mechanism: numberOf[mechanism], iterations, salt, saltedPassword }
}

const comeIn = (port: number, mechanism: PasswordMechanism, username: string, password: string) =>
  Connection.open({ host: '127.0.0.1', port }, { sasl: { mechanism, username, password } })

/** Changes users as alice, and tells how that went for each. */
async function alter(port: number, changes: Partial<Alter>): Promise<[string, number][]> {
  const connection = await comeIn(port, 'PLAIN', 'alice', 'secret')
  const { results } = await connection.request(AlterUserScramCredentials, { deletions: [], upsertions: [], ...changes })
  connection.close()
  return results.map(({ user, errorCode }) => [user, errorCode])
}

describe('users whom clients make', () => {
  it('come in by every mechanism that they were made for, until they are removed', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster, { sasl })
    const both = [await upsertion('carol', 'SCRAM-SHA-256', 'new')]
    expect(await alter(listener.port, { upsertions: both })).toEqual([['carol', 0]])
    expect(await alter(listener.port, { upsertions: [await upsertion('carol', 'SCRAM-SHA-512', 'new')] })).toEqual([['carol', 0]])
    for (const mechanism of passwordMechanisms) (await comeIn(listener.port, mechanism, 'carol', 'new')).close()
    expect(await alter(listener.port, { deletions: [{ name: 'carol', mechanism: 1 }] })).toEqual([['carol', 0]])
    ;(await comeIn(listener.port, 'SCRAM-SHA-512', 'carol', 'new')).close()
    const refused = { code: 'SASL_AUTHENTICATION_FAILED' }
    await expect(comeIn(listener.port, 'SCRAM-SHA-256', 'carol', 'new')).rejects.toMatchObject(refused)
  })

  it('are told, with how their passwords are kept', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster, { sasl })
    const bob = await upsertion('bob', 'SCRAM-SHA-512', 'b', 8192)
    expect(await alter(listener.port, { upsertions: [await upsertion('carol', 'SCRAM-SHA-256', 'c'), bob] })).toHaveLength(2)
    const connection = await comeIn(listener.port, 'PLAIN', 'bob', 'b')
    const describeUsers = async (users: { name: string }[] | null) =>
      (await connection.request(DescribeUserScramCredentials, { users })).results.map(result => [
        result.user,
        result.errorCode,
        result.credentialInfos
      ])
    expect(await describeUsers(null)).toEqual([
      ['bob', 0, [{ mechanism: 2, iterations: 8192 }]],
      ['carol', 0, [{ mechanism: 1, iterations: 4096 }]]
    ])
    expect(await describeUsers([{ name: 'bob' }, { name: 'bob' }, { name: 'dave' }])).toEqual([
      ['bob', errorNumber('DUPLICATE_RESOURCE'), []],
      ['dave', errorNumber('RESOURCE_NOT_FOUND'), []]
    ])
    connection.close()
  })

  it('are not made of what Kafka would refuse', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster, { sasl })
    const user = await upsertion('u', 'SCRAM-SHA-256', 'p')
    const unacceptable = errorNumber('UNACCEPTABLE_CREDENTIAL')
    const changes: [Partial<Alter>, number][] = [
      [{ upsertions: [{ ...user, iterations: 4095 }] }, unacceptable],
      [{ upsertions: [{ ...user, iterations: 16385 }] }, unacceptable],
      [{ upsertions: [{ ...user, saltedPassword: new Uint8Array(0) }] }, unacceptable],
      [{ upsertions: [{ ...user, mechanism: 3 }] }, errorNumber('UNSUPPORTED_SASL_MECHANISM')],
      [{ upsertions: [user, { ...user, mechanism: 2 }] }, errorNumber('DUPLICATE_RESOURCE')],
      [{ deletions: [{ name: 'u', mechanism: 1 }] }, errorNumber('RESOURCE_NOT_FOUND')]
    ]
    for (const [change, error] of changes) expect(await alter(listener.port, change)).toEqual([['u', error]])
    expect(await alter(listener.port, { upsertions: [{ ...user, name: '' }] })).toEqual([['', unacceptable]])
    expect(cluster.node?.scramCredentials('u')).toBeUndefined()
  })

  it('do not take the place of those whom the listener was given', async () => {
    await using cluster = await Cluster.open()
    await using listener = await listen(cluster, { sasl })
    const upsertions = [await upsertion('alice', 'SCRAM-SHA-256', 'other'), await upsertion('bob', 'SCRAM-SHA-256', 'b')]
    const refused = errorNumber('UNACCEPTABLE_CREDENTIAL')
    expect(await alter(listener.port, { upsertions })).toEqual([
      ['alice', refused],
      ['bob', refused]
    ])
    expect(nodeOf(cluster.node!).metadata.scramCredentials.size).toBe(0)
  })
})

describe('users whom clients made on a disk', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  /** Lets a cluster in the folder live for as long as `act` takes. */
  async function life(act: (port: number) => Promise<void>): Promise<void> {
    await using cluster = await Cluster.open({ storage: fileStorage(folder) })
    await using listener = await listen(cluster, { sasl })
    await act(listener.port)
  }

  it('are there again after a restart, and those removed are not', async () => {
    await life(async port => {
      const upsertions = [await upsertion('bob', 'SCRAM-SHA-512', 'builder'), await upsertion('carol', 'SCRAM-SHA-256', 'c')]
      await alter(port, { upsertions })
      await alter(port, { deletions: [{ name: 'carol', mechanism: 1 }], upsertions: [await upsertion('bob', 'SCRAM-SHA-512', 'new')] })
    })
    await life(async port => {
      ;(await comeIn(port, 'SCRAM-SHA-512', 'bob', 'new')).close()
      for (const [name, password] of [
        ['bob', 'builder'],
        ['carol', 'c']
      ])
        await expect(comeIn(port, 'PLAIN', name, password)).rejects.toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED' })
    })
  })

  it('leave nothing of their passwords there but the two keys', async () => {
    const bob = await upsertion('bob', 'SCRAM-SHA-256', 'a password to look for')
    await life(async port => {
      await alter(port, { upsertions: [bob] })
      ;(await comeIn(port, 'PLAIN', 'bob', 'a password to look for')).close()
    })
    const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())
    const all = Buffer.concat(await Promise.all(names.map(({ parentPath, name }) => readFile(join(parentPath, name)))))
    const holds = (bytes: Uint8Array) => all.includes(Buffer.from(bytes))
    const { storedKey, serverKey } = credentialOf('SCRAM-SHA-256', bob.saltedPassword, salt, bob.iterations)
    expect([storedKey, serverKey].map(holds)).toEqual([true, true])
    expect([bob.saltedPassword, Buffer.from('a password to look for'), Buffer.from('secret')].map(holds)).toEqual([false, false, false])
  })
})
