import { guardedClock } from '../common/guarded-clock.js'
import { expectInteger } from '../common/options.js'
import { guardedRandom, systemRandom } from '../common/random.js'
import { systemClock } from '../common/system-clock.js'
import type { KafkaError } from '../errors.js'
import { expectStorage } from '../log/arguments.js'
import { BrokerConfigs } from '../metadata/broker-configs.js'
import { ClusterMetadata, elections, resourceType } from '../metadata/cluster-metadata.js'
import { MetadataMachine, stateRecord } from '../metadata/metadata-machine.js'
import type { MetadataRecord } from '../metadata/records.js'
import { groupOffsetsTopic } from '../metadata/topic-name.js'
import { LiveReaders } from './backlog/live-readers.js'
import { defaultMemoryBytes, leastMemoryBytes } from './backlog/memory.js'
import { BrokerNews } from './broker-news.js'
import { usedPartitions } from './internal-topic.js'
import type { LocalBrokerOptions } from './local-broker-options.js'
import { LocalNode } from './local-node.js'
import { logDirOf } from './log-dir.js'
import { LogDirectory } from './log-directory.js'
import { metadataLog } from './metadata-log.js'
import { MetadataSnapshots } from './metadata-snapshot.js'
import { nodeIdentity } from './node-identity.js'
import { replayOwnConfigs } from './own-topic-configs.js'
import { StateHost, type StateHostOptions } from './state-host.js'
import { TopicStore } from './topic-store.js'
import { finishTransactions } from './undecided-transactions.js'

/**
 * Opens the node of a storage: its metadata first, then the logs that these say there are, then
 * what groups and transactions have left.
 */
export async function openNode(options: LocalBrokerOptions): Promise<LocalNode> {
  const { storage, nodeId = 0, configs: given = {} } = options
  expectStorage(storage)
  const clock = guardedClock(options.clock === undefined ? systemClock : options.clock)
  const random = guardedRandom(options.random === undefined ? systemRandom : options.random)
  expectInteger('nodeId', nodeId, 0, 2 ** 31 - 1)
  const { maxMemoryBytes = defaultMemoryBytes() } = options
  expectInteger('maxMemoryBytes', maxMemoryBytes, leastMemoryBytes)
  const configs = new BrokerConfigs(given, storage.durable)
  if (storage.prepare) await storage.prepare()
  const metadata = new ClusterMetadata()
  configs.follow({
    ofNode: () => metadata.configsOf(resourceType.broker, String(nodeId)),
    ofAll: () => metadata.configsOf(resourceType.broker, '')
  })
  const logDir = logDirOf(storage)
  configs.tell({
    'broker.id': `${nodeId}`,
    'node.id': `${nodeId}`,
    'process.roles': 'broker,controller',
    'log.dir': logDir,
    'log.dirs': logDir
  })
  const news = new BrokerNews()
  const onError = news.failed
  const onDamage = (damage: KafkaError) => onError(damage, `reading \`${damage.file}\``)
  const { clusterId, directoryId } = await nodeIdentity(storage, nodeId, random, onDamage)
  storage.onError = (error, name) => onError(error, `writing \`${name}\``)
  storage.onLost = error => news.tell('fenced', { error })
  const directory = await LogDirectory.open({ storage, clock, random, onError })
  try {
    const log = await metadataLog(directory, clock, failure => onError(failure, 'writing metadata'), onDamage)
    const machine = new MetadataMachine(metadata)
    const snapshots = new MetadataSnapshots(storage, log, clock)
    const replayFrom = await snapshots.replay(machine)
    const writeSnapshot: StateHostOptions['writeSnapshot'] = (endOffset, records) => snapshots.write(endOffset, records)
    const metadataHost = await StateHost.open(log, machine, { clock, replayFrom, ...(storage.durable && { writeSnapshot }) })
    const decide = async (records: readonly MetadataRecord[]) => {
      if (records.length === 0) return
      if (storage.readOnly) for (const record of records) metadata.replay(record)
      else await metadataHost.run(() => ({ records: records.map(stateRecord), committed: () => {} }))
    }
    if (log.logEndOffset === 0) {
      if (storage.durable && directoryId !== undefined) await snapshots.foundQuorum(nodeId, directoryId)
      await decide([...metadata.snapshot()])
    } else if (storage.durable && !storage.readOnly && (await snapshots.isMissing())) {
      await snapshots.write(log.logEndOffset, machine.snapshot())
    }
    await decide([...elections(metadata, nodeId)])
    await replayOwnConfigs(storage, metadata).catch(error => onError(error, 'reading the configs of topics that Kafka does not have'))
    const readers = new LiveReaders(() => clock.monotonic())
    const store = new TopicStore({ directory, clock, configs, news, readers })
    await store.openAll(metadata)
    await decide(store.followLogs(metadata))
    for (const folder of await directory.setAsideStrays()) news.tell('straySetAside', { folder })
    directory.start()
    const served = { storage, configs, metadata, metadataLog: log, news, metadataHost, directory, store, readers, maxMemoryBytes }
    const node = new LocalNode({ nodeId, clusterId, clock, random, ...served })
    try {
      await node.groups.load(usedPartitions(node.topics, groupOffsetsTopic))
      if (!storage.readOnly) await finishTransactions(node).catch(error => onError(error, 'ending transactions that were left open'))
      for (const groupId of node.groups.liveGroups()) readers.groupChanged(groupId)
      if (!storage.readOnly)
        await node.groups.keepTopics(metadata.topics).catch(error => onError(error, 'dropping offsets of deleted topics'))
      news.open(clock)
      return node
    } catch (error) {
      await node.close()
      throw error
    }
  } catch (error) {
    await directory.abandon()
    throw error
  }
}
