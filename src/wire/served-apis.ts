import { apis, connectionApis, ownApis } from '../protocol/apis.js'
import type { Broker } from '../protocol/broker.js'
import { type Api, includesVersion, type ResponseOf, type VersionRange } from '../protocol/message.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'
import { Produce } from '../protocol/messages/produce.js'

/**
 * The highest versions to admit to, by the name of the API; -1 hides the API. What is not named is
 * served in full.
 */
export type MaxVersions = Readonly<Record<string, number>>

/** An API as a listener serves it. */
export interface ServedApi {
  readonly api: Api
  readonly versions: VersionRange
}

export interface ServedApisOptions {
  readonly maxVersions?: MaxVersions
}

/** As which clients of this library introduce themselves. */
export const ownSoftwareName = 'millrace'

type ApiVersionsResponse = ResponseOf<typeof ApiVersions>

/** The APIs that a listener serves: those of the node that the tables and the listener allow. */
export class ServedApis {
  readonly #byKey = new Map<number, ServedApi>()
  readonly #features: Partial<ApiVersionsResponse>

  constructor(node: ApiVersionsResponse, { maxVersions = {} }: ServedApisOptions = {}) {
    const { apiKeys, supportedFeatures, finalizedFeatures, finalizedFeaturesEpoch } = node
    this.#features = { supportedFeatures, finalizedFeatures, finalizedFeaturesEpoch }
    for (const api of [...apis, ...ownApis]) {
      const range = connectionApis.includes(api) ? api.versions : commonVersions(api, apiKeys)
      if (!range) continue
      const max = Math.min(range.max, maxVersions[api.name] ?? range.max)
      if (max >= range.min) this.#byKey.set(api.key, { api, versions: { min: range.min, max } })
    }
  }

  /** Asks the node what it serves. */
  static async of(node: Broker, options: ServedApisOptions): Promise<ServedApis> {
    const request = { clientSoftwareName: ownSoftwareName, clientSoftwareVersion: '0' }
    return new ServedApis(await node.request(ApiVersions, request), options)
  }

  /** The API of this number, when it is served in this version. */
  find(apiKey: number, version: number): Api | undefined {
    const served = this.#byKey.get(apiKey)
    return served && includesVersion(served.versions, version) ? served.api : undefined
  }

  /**
   * The ranges as clients are told. Produce begins at 0: librdkafka asks for exactly that before it
   * compresses (KAFKA-18659). Of the APIs that only this library has its own clients hear alone: no
   * other has to make anything of numbers that Kafka does not have.
   */
  describe(apiVersion: number, clientSoftwareName = ''): ApiVersionsResponse {
    const isOwn = clientSoftwareName === ownSoftwareName
    const told = [...this.#byKey.values()].filter(({ api }) => isOwn || !ownApis.includes(api))
    const apiKeys = told.map(({ api, versions }) => ({
      apiKey: api.key,
      minVersion: api.key === Produce.key ? 0 : versions.min,
      maxVersion: versions.max
    }))
    const { supportedFeatures = [] } = this.#features
    // Before that version clients take a feature that begins at 0 for a mistake.
    const known = apiVersion >= zeroFeaturesVersion ? supportedFeatures : supportedFeatures.filter(({ minVersion }) => minVersion > 0)
    return { errorCode: 0, apiKeys, ...this.#features, supportedFeatures: known }
  }

  /** The answer to a version of ApiVersions that is not served, which goes out in version 0. */
  describeOwnRange(errorCode: number): ApiVersionsResponse {
    const { min, max } = (this.#byKey.get(ApiVersions.key) ?? { versions: ApiVersions.versions }).versions
    return { errorCode, apiKeys: [{ apiKey: ApiVersions.key, minVersion: min, maxVersion: max }] }
  }
}

const zeroFeaturesVersion = 4

function commonVersions(api: Api, apiKeys: ApiVersionsResponse['apiKeys']): VersionRange | undefined {
  const other = apiKeys.find(({ apiKey }) => apiKey === api.key)
  if (!other) return undefined
  const range = { min: Math.max(api.versions.min, other.minVersion), max: Math.min(api.versions.max, other.maxVersion) }
  return range.min <= range.max ? range : undefined
}
