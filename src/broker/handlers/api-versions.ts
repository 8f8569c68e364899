import type { Api, ResponseOf } from '../../protocol/message.js'
import type { ApiVersions } from '../../protocol/messages/api-versions.js'
import type { Handler } from '../handler.js'

/** The feature that tells clients which version of transactions they may speak (KIP-890). */
const transactionVersion = 'transaction.version'
const newestTransactionVersion = 2

/**
 * Tells what a node serves, and in which versions. Doors to the node narrow it, or add what they
 * answer themselves.
 */
export function apiVersions(served: readonly Api[]): Handler<typeof ApiVersions> {
  return ({ metadata, quorum }): ResponseOf<typeof ApiVersions> => {
    const level = metadata.features.get(transactionVersion)
    return {
      errorCode: 0,
      apiKeys: served.map(({ key, versions }) => ({ apiKey: key, minVersion: versions.min, maxVersion: versions.max })),
      supportedFeatures: [{ name: transactionVersion, minVersion: 0, maxVersion: newestTransactionVersion }],
      finalizedFeaturesEpoch: Math.max(0, quorum.logEndOffset - 1),
      finalizedFeatures: level === undefined ? [] : [{ name: transactionVersion, maxVersionLevel: level, minVersionLevel: level }]
    }
  }
}
