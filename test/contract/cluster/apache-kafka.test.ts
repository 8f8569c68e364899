import { afterAll, describe } from 'vitest'
import { connect, remoteBrokers } from '../../../src/wire/index.js'
import { type KafkaBroker, missingKafka, startKafkaBroker } from '../../interop/kafka/apache-kafka.js'
import { brokerContract } from '../broker/broker-contract.js'
import { brokerConfigs } from '../broker/world.js'
import { clusterContract } from './cluster-contract.js'

const missing = await missingKafka()

/** One broker is started for both contracts, with the first case; to be quicker still, `KAFKA=host:port` names one that runs. */
describe.skipIf(missing)(missing ?? 'what is spoken to over the wire may as well be Apache Kafka', () => {
  let starting: Promise<KafkaBroker> | undefined
  const address = async () => {
    if (process.env.KAFKA) return process.env.KAFKA
    starting ??= startKafkaBroker(brokerConfigs)
    return (await starting).address
  }
  afterAll(async () => (await starting)?.[Symbol.asyncDispose]())

  brokerContract({
    name: 'Apache Kafka',
    isKafka: true,
    async open() {
      const brokers = [await address()]
      return { connect: clientId => remoteBrokers({ brokers, clientId }), close: async () => {} }
    }
  })

  clusterContract({
    name: 'a cluster of Apache Kafka',
    async open() {
      const cluster = await connect({ brokers: [await address()] })
      return { cluster, close: () => cluster.close() }
    }
  })
})
