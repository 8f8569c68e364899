// The program that every row runs: the three doors of the package, in memory and over a socket.
// It takes what it needs as arguments, so that each row loads the package in its own way.
export async function scenario({ millrace, file, wire, folder }) {
  const { Cluster, KafkaError, json, memoryStorage, string, topic } = millrace
  const expect = (what, got, wanted) => {
    if (got !== wanted) throw new Error(`${what}: expected ${wanted}, got ${got}`)
  }
  const storages = file ? [memoryStorage(), file.fileStorage(folder)] : [memoryStorage()]
  for (const storage of storages) {
    const cluster = await Cluster.open({ storage })
    const orders = topic('orders', { key: string, value: json(), partitions: 2 })
    const producer = cluster.producer({ compression: 'lz4' })
    for (let n = 0; n < 20; n++) await producer.send(orders, { key: `k${n % 3}`, value: { n } })
    const consumer = cluster.consumer({ groupId: 'g', topics: [orders], autoOffsetReset: 'earliest' })
    let sum = 0
    let count = 0
    for await (const record of consumer) {
      sum += record.value.n
      if (++count === 20) break
    }
    expect('the sum of the values', sum, 190)
    const error = await cluster.admin().deleteTopics(['absent']).catch(reason => reason)
    expect('an error is a KafkaError', error instanceof KafkaError, true)
    if (wire) {
      const listener = await wire.listen(cluster)
      const remote = await wire.connect({ brokers: [listener.address] })
      await remote.producer({ compression: 'gzip' }).send('remote', { value: 'over the socket' })
      const reader = remote.consumer({ topics: ['remote'], autoOffsetReset: 'earliest' })
      const { value } = await reader.records().next()
      expect('a value over the socket', new TextDecoder().decode(value.value), 'over the socket')
      const absent = await remote.admin().deleteTopics(['absent']).catch(reason => reason)
      expect('an error over the socket is a KafkaError', absent instanceof KafkaError, true)
      await remote.close()
      await listener.close()
    }
    await cluster.close()
  }
  return 'ok'
}
