import type { Api, ResponseOf } from '../../protocol/message.js'
import type { ApiVersions } from '../../protocol/messages/api-versions.js'
import type { Handler } from '../handler.js'

/** Tells what a node serves, and in which versions. Doors to the node narrow it, or add what they answer themselves. */
export function apiVersions(served: readonly Api[]): Handler<typeof ApiVersions> {
  return (): ResponseOf<typeof ApiVersions> => ({
    errorCode: 0,
    apiKeys: served.map(({ key, versions }) => ({ apiKey: key, minVersion: versions.min, maxVersion: versions.max }))
  })
}
