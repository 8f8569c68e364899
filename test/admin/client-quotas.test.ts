import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Admin } from '../../src/admin/admin.js'
import { Cluster } from '../../src/cluster.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'

let storage: MemoryStorage
let cluster: Cluster
let admin: Admin

beforeEach(async () => {
  storage = new MemoryStorage()
  cluster = await Cluster.open({ storage })
  admin = cluster.admin()
})
afterEach(() => cluster.close())

describe('an admin', () => {
  it('sets quotas, takes them back, and finds them', async () => {
    await admin.alterClientQuotas([
      { entity: { user: 'ann' }, quotas: { producer_byte_rate: 1000, consumer_byte_rate: 2000 } },
      { entity: { user: null, clientId: null }, quotas: { request_percentage: 12.5 } },
      { entity: { ip: '10.0.0.1' }, quotas: { connection_creation_rate: 5 } }
    ])
    await admin.alterClientQuotas([{ entity: { user: 'ann' }, quotas: { producer_byte_rate: null, controller_mutation_rate: 1 } }])
    expect(await admin.describeClientQuotas()).toEqual([
      { entity: { user: 'ann' }, quotas: { consumer_byte_rate: 2000, controller_mutation_rate: 1 } },
      { entity: { user: null, clientId: null }, quotas: { request_percentage: 12.5 } },
      { entity: { ip: '10.0.0.1' }, quotas: { connection_creation_rate: 5 } }
    ])
    const found = await Promise.all([
      admin.describeClientQuotas({ user: 'ann' }),
      admin.describeClientQuotas({ user: true }),
      admin.describeClientQuotas({ user: null, strict: true }),
      admin.describeClientQuotas({ ip: true })
    ])
    expect(found.map(quotas => quotas.length)).toEqual([1, 2, 0, 1])
  })

  it('is told which entity was refused, and only tries where it asks to', async () => {
    const good = { entity: { user: 'bob' }, quotas: { producer_byte_rate: 1 } }
    await admin.alterClientQuotas([good], { validateOnly: true })
    expect(await admin.describeClientQuotas()).toEqual([])
    const bad = { entity: { user: 'ann' }, quotas: { connection_creation_rate: 1 } }
    await expect(admin.alterClientQuotas([bad, good])).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringMatching(/^user `ann`: There is no quota `connection_creation_rate`/)
    })
    expect(await admin.describeClientQuotas()).toEqual([good])
    await expect(admin.describeClientQuotas({ ip: true, user: 'ann' })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })

  it('refuses quotas that no cluster could take', async () => {
    const alter = (entity: object, quotas: object) => admin.alterClientQuotas([{ entity, quotas } as never])
    await expect(alter({}, {})).rejects.toThrow(/Expected `entity` to be `{ user }`, `{ clientId }`, both, or `{ ip }`/)
    await expect(alter({ user: 'ann' }, { producer_byte_rate: 0 })).rejects.toThrow(/`quotas.producer_byte_rate` to be a number above 0/)
    await expect(alter({ user: 'ann' }, { producerByteRate: 1 })).rejects.toThrow(TypeError)
  })

  it('finds the quotas of a cluster that was opened again', async () => {
    const quotas = { entity: { user: 'ann', clientId: null }, quotas: { producer_byte_rate: 1000 } }
    await admin.alterClientQuotas([quotas, { entity: { user: 'bob' }, quotas: { producer_byte_rate: 1 } }])
    await admin.alterClientQuotas([{ entity: { user: 'bob' }, quotas: { producer_byte_rate: null } }])
    await cluster.close()
    cluster = await Cluster.open({ storage })
    expect(await cluster.admin().describeClientQuotas()).toEqual([quotas])
  })
})
