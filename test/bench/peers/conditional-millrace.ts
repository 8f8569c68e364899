import type { ConditionalStoreKind } from '../works/conditional.js'
import { Cluster, fileModule, string, topic } from './millrace.js'

const accounts = topic('accounts', { key: string, value: string, partitions: 4, keyIndex: true, keep: 'forever' })

/** A topic with an index of keys; each append is a `send` of its own, with its own condition. */
export const millraceConditional: ConditionalStoreKind = async folder => {
  const storage = folder === undefined ? {} : { storage: (await fileModule()).fileStorage(folder) }
  const cluster = await Cluster.open({ ...storage, maxMemoryBytes: 4 * 2 ** 30 })
  await cluster.admin().createTopics([accounts])
  const producer = cluster.producer()
  return {
    async append(keys, last, values) {
      const sent = keys.map((key, i) => producer.send(accounts, { key, value: values[i] }, { ifKeyAt: last[i] < 0 ? 'none' : last[i] }))
      return (await Promise.all(sent)).map(({ offset }) => offset)
    },
    refuses: (key, last) =>
      producer.send(accounts, { key, value: '' }, { ifKeyAt: last < 0 ? 'none' : last }).then(
        () => false,
        error => error.code === 'CONFLICT'
      ),
    bytesPerKey() {
      const indexes = cluster.topic('accounts').partitions.map(({ log }) => log.keyIndex ?? { keys: 0, sizeInBytes: 0 })
      return indexes.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0) / indexes.reduce((sum, { keys }) => sum + keys, 0)
    },
    close: () => cluster.close()
  }
}
