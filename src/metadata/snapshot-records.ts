import { encodeMessage } from '../protocol/codec.js'
import { array, int16, int32, int64, schema, string, struct, uint16, uuid } from '../protocol/message.js'
import { type ControlType, controlKeyOf } from '../record/control-record.js'

/** A control record of a snapshot of `__cluster_metadata`. */
export interface SnapshotControl {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

const SnapshotHeaderRecord = schema({
  name: 'SnapshotHeaderRecord',
  versions: '0',
  flexible: '0+',
  fields: { version: int16(), lastContainedLogTimestamp: int64() }
})

const SnapshotFooterRecord = schema({ name: 'SnapshotFooterRecord', versions: '0', flexible: '0+', fields: { version: int16() } })

const KRaftVersionRecord = schema({
  name: 'KRaftVersionRecord',
  versions: '0',
  flexible: '0+',
  fields: { version: int16(), kRaftVersion: int16() }
})

const VotersRecord = schema({
  name: 'VotersRecord',
  versions: '0',
  flexible: '0+',
  fields: {
    version: int16(),
    voters: array({
      voterId: int32(),
      voterUuid: uuid(),
      endpoints: array({ name: string(), host: string(), port: uint16() }),
      kRaftVersionFeature: struct({ minSupportedVersion: int16(), maxSupportedVersion: int16() })
    })
  }
})

/**
 * The first record of a snapshot. `timestamp` is that of the last record that the snapshot stands
 * for.
 */
export function snapshotHeader(timestamp: number): SnapshotControl {
  return control('SNAPSHOT_HEADER', encodeMessage(SnapshotHeaderRecord, 0, { version: 0, lastContainedLogTimestamp: timestamp }))
}

/** The last record of a snapshot: without it, the snapshot is cut short. */
export function snapshotFooter(): SnapshotControl {
  return control('SNAPSHOT_FOOTER', encodeMessage(SnapshotFooterRecord, 0, { version: 0 }))
}

/**
 * A quorum of this node alone, in the form of Kafka's dynamic quorum (KIP-853). The endpoint is the
 * one of Kafka's own example configuration; a Kafka that starts with another one replaces it.
 */
export function soleVoter(nodeId: number, directoryId: string): SnapshotControl[] {
  const endpoints = [{ name: 'CONTROLLER', host: 'localhost', port: 9093 }]
  const kRaftVersionFeature = { minSupportedVersion: 0, maxSupportedVersion: 1 }
  const voters = [{ voterId: nodeId, voterUuid: directoryId, endpoints, kRaftVersionFeature }]
  return [
    control('KRAFT_VERSION', encodeMessage(KRaftVersionRecord, 0, { version: 0, kRaftVersion: 1 })),
    control('KRAFT_VOTERS', encodeMessage(VotersRecord, 0, { version: 0, voters }))
  ]
}

function control(type: Exclude<ControlType, 'UNKNOWN'>, value: Uint8Array): SnapshotControl {
  return { key: controlKeyOf(type), value: value.slice() }
}
