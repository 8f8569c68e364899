import { expect, it } from 'vitest'
import { errorCodeOf } from '../../../src/errors.js'
import { ApiVersions } from '../../../src/protocol/messages/api-versions.js'
import { DescribeCluster } from '../../../src/protocol/messages/describe-cluster.js'
import { Fetch } from '../../../src/protocol/messages/fetch.js'
import { FindCoordinator } from '../../../src/protocol/messages/find-coordinator.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import type { Stage } from './broker-contract.js'
import { fetchRequest, withError } from './waist-client.js'
import { fresh } from './world.js'

export function clusterCases(stage: Stage): void {
  it('tells its id and its brokers', async () => {
    const { client } = stage
    const described = withError(await client.node.request(DescribeCluster, { includeClusterAuthorizedOperations: false }))
    const metadata = await client.node.request(Metadata, { topics: [] })
    expect(described).toMatchObject({ error: 'NONE', clusterId: metadata.clusterId })
    expect(described.brokers.map(({ brokerId, host, port }) => ({ nodeId: brokerId, host, port }))).toEqual(
      metadata.brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port }))
    )
    expect(described.brokers.map(({ brokerId }) => brokerId)).toContain(described.controllerId)
    expect(described.clusterId).toMatch(/^[\w-]{22}$/)
  })

  it('does not tell about controllers', async () => {
    const ask = async (endpointType: number) => {
      const request = { includeClusterAuthorizedOperations: false, endpointType }
      return errorCodeOf((await stage.client.node.request(DescribeCluster, request)).errorCode)
    }
    expect(await ask(2)).toBe('MISMATCHED_ENDPOINT_TYPE')
    expect(await ask(9)).toBe('UNSUPPORTED_ENDPOINT_TYPE')
  })

  it('serves what clients above the waist ask for', async () => {
    const { apiKeys } = await stage.client.node.request(ApiVersions, { clientSoftwareName: 'contract', clientSoftwareVersion: '1' })
    const served = new Set(apiKeys.map(({ apiKey }) => apiKey))
    const needed = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 32, 33, 37, 42, 44, 47, 60]
    expect(needed.filter(key => !served.has(key))).toEqual([])
  })

  it('says who coordinates groups, several at a time, and knows no other kind of key', async () => {
    const { client } = stage
    const found = await client.node.request(FindCoordinator, { keyType: 0, coordinatorKeys: ['a', 'b'] })
    expect(found.coordinators?.map(({ key, nodeId, errorCode }) => ({ key, nodeId, errorCode }))).toEqual([
      { key: 'a', nodeId: client.nodeId, errorCode: 0 },
      { key: 'b', nodeId: client.nodeId, errorCode: 0 }
    ])
    const unknown = await client.node.request(FindCoordinator, { keyType: 9, coordinatorKeys: ['a'] })
    expect(unknown.coordinators?.map(({ errorCode }) => errorCodeOf(errorCode)) ?? []).toEqual(['INVALID_REQUEST'])
  })

  it('rejects a request with the reason of its signal, and goes on with the others', async () => {
    const { client } = stage
    const name = fresh('aborted')
    await client.createTopic(name)
    await expect(client.node.request(Metadata, { topics: [] }, AbortSignal.abort(new RangeError('before')))).rejects.toThrow('before')
    const abort = new AbortController()
    const waiting = client.node.request(Fetch, fetchRequest(name, [0], { maxWaitMs: 30_000 }), abort.signal)
    const refused = expect(waiting).rejects.toThrow('enough')
    expect(await client.listOffset(name, 0, -1)).toMatchObject({ error: 'NONE', offset: 0 })
    abort.abort(new RangeError('enough'))
    await refused
    expect(await client.listOffset(name, 0, -1)).toMatchObject({ error: 'NONE', offset: 0 })
  })
}
