import type { ForeignClient } from './client-round.js'
import { flink, spark, streams } from './jvm.js'
import { mirrorMaker } from './mirror-maker.js'

/**
 * The platforms that process and copy records, by the name that `npm run platforms` takes. They take
 * minutes and hundreds of megabytes, so that no test runs them. They need Java 17 and Maven, which
 * fetches them into test/.tmp.
 */
export const platforms: Readonly<Record<string, ForeignClient>> = { streams, mirrorMaker, flink, spark }
