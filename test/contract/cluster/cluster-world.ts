import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClusterClient } from '../../../src/cluster-client.js'
import { Cluster } from '../../../src/index.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { connect, listen } from '../../../src/wire/index.js'
import { brokerConfigs } from '../broker/world.js'

/** Somewhere a cluster comes from that must keep the contract. */
export interface ClusterWorld {
  readonly name: string
  open(): Promise<{ readonly cluster: ClusterClient; close(): Promise<void> }>
}

export const inMemory: ClusterWorld = {
  name: 'a cluster in this process, in memory',
  async open() {
    const cluster = await Cluster.open({ configs: brokerConfigs })
    return { cluster, close: () => cluster.close() }
  }
}

export const onDisk: ClusterWorld = {
  name: 'a cluster in this process, on disk',
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    const cluster = await Cluster.open({ storage: fileStorage(folder), configs: brokerConfigs })
    const close = async () => {
      await cluster.close()
      await rm(folder, { recursive: true })
    }
    return { cluster, close }
  }
}

export const overTheWire: ClusterWorld = {
  name: 'a cluster connected to over a socket',
  async open() {
    const served = await Cluster.open({ configs: brokerConfigs })
    const listener = await listen(served)
    const cluster = await connect({ brokers: [listener.address] })
    const close = async () => {
      await cluster.close()
      await listener.close()
      await served.close()
    }
    return { cluster, close }
  }
}
