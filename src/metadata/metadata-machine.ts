import type { ReplayedRecord, StateMachine, StateRecord } from '../common/state-machine.js'
import type { ClusterMetadata } from './cluster-metadata.js'
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord } from './records.js'

/** The cluster's metadata as the machine that `__cluster_metadata` keeps. */
export class MetadataMachine implements StateMachine {
  readonly #metadata: ClusterMetadata

  constructor(metadata: ClusterMetadata) {
    this.#metadata = metadata
  }

  replay({ value }: ReplayedRecord): void {
    const record = value && decodeMetadataRecord(value)
    if (record) this.#metadata.replay(record)
  }

  *snapshot(): Generator<StateRecord, void, undefined> {
    for (const record of this.#metadata.snapshot()) yield stateRecord(record)
  }
}

/** The record as it goes into the log: without a key, as Kafka writes it. */
export function stateRecord(record: MetadataRecord): StateRecord {
  return { key: null, value: encodeMetadataRecord(record) }
}
