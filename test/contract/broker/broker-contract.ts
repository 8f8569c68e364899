import { afterAll, beforeAll, describe } from 'vitest'
import type { Brokers } from '../../../src/protocol/broker.js'
import { clusterCases } from './cluster-cases.js'
import { configCases } from './config-cases.js'
import { fetchCases } from './fetch-cases.js'
import { groupCases } from './group-cases.js'
import { groupOffsetCases } from './group-offset-cases.js'
import { idempotenceCases } from './idempotence-cases.js'
import { logOffsetCases } from './log-offset-cases.js'
import { metadataCases } from './metadata-cases.js'
import { produceCases } from './produce-cases.js'
import { staticMemberCases } from './static-member-cases.js'
import { topicCases } from './topic-cases.js'
import { WaistClient } from './waist-client.js'
import type { OpenWorld, World } from './world.js'

/** What a case gets to see. */
export interface Stage {
  readonly client: WaistClient
  /** Whether Apache Kafka answers: where we differ from it on purpose, a case says so. */
  readonly isKafka: boolean
  /** Another client, with a way to the broker of its own. */
  connect(clientId: string): Brokers
}

/** What every broker behind the waist must do, as test cases. Apache Kafka says what is right. */
export function brokerContract(world: World): void {
  describe(`the contract of brokers, kept by ${world.name}`, () => {
    let opened: OpenWorld
    let client: WaistClient
    beforeAll(async () => {
      opened = await world.open()
      client = await WaistClient.of(opened.connect('contract'))
    }, 120_000)
    afterAll(async () => {
      await client?.brokers.close?.()
      await opened?.close()
    })
    const stage: Stage = {
      get client() {
        return client
      },
      isKafka: world.isKafka,
      connect: clientId => opened.connect(clientId)
    }
    describe('cluster', () => clusterCases(stage))
    describe('metadata', () => metadataCases(stage))
    describe('produce', () => produceCases(stage))
    describe('idempotent produce', () => idempotenceCases(stage))
    describe('fetch', () => fetchCases(stage))
    describe('offsets of logs', () => logOffsetCases(stage))
    describe('topics', () => topicCases(stage))
    describe('configs', () => configCases(stage))
    describe('groups', () => groupCases(stage))
    describe('static members', () => staticMemberCases(stage))
    describe('offsets of groups', () => groupOffsetCases(stage))
  })
}
