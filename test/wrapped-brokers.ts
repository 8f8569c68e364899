import type { Broker, Brokers } from '../src/protocol/broker.js'

/** The brokers of a cluster, each behind what `wrap` puts before it. */
export function wrappedBrokers(brokers: Brokers, wrap: (broker: Broker) => Broker): Brokers {
  return {
    any: () => wrap(brokers.any()),
    byId(id) {
      const broker = brokers.byId(id)
      return broker && wrap(broker)
    }
  }
}
