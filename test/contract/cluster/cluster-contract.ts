import { afterAll, beforeAll, describe } from 'vitest'
import type { ClusterClient } from '../../../src/cluster-client.js'
import { adminCases } from './admin-cases.js'
import type { ClusterWorld } from './cluster-world.js'
import { failureCases } from './failure-cases.js'
import { groupCases } from './group-cases.js'
import { positionCases } from './position-cases.js'
import { roundTripCases } from './round-trip-cases.js'

export interface ClusterStage {
  readonly cluster: ClusterClient
}

/** What producers, consumers and admins do is the same wherever their cluster is. */
export function clusterContract(world: ClusterWorld): void {
  describe(`the contract of clusters, kept by ${world.name}`, () => {
    let opened: Awaited<ReturnType<ClusterWorld['open']>>
    beforeAll(async () => {
      opened = await world.open()
    }, 120_000)
    afterAll(() => opened?.close())
    const stage: ClusterStage = {
      get cluster() {
        return opened.cluster
      }
    }
    describe('records', () => roundTripCases(stage))
    describe('groups', () => groupCases(stage))
    describe('positions', () => positionCases(stage))
    describe('failures', () => failureCases(stage))
    describe('admin', () => adminCases(stage))
  })
}
