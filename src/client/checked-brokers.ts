import { expectFunctions, shown } from '../common/options.js'
import type { Broker, Brokers } from '../protocol/broker.js'

/** Brokers that a user's code stands before: one that is none, or that answers with nothing, is told where it happens. */
export function checkedBrokers(given: Brokers): Brokers {
  const known = new WeakMap<Broker, Broker>()
  const checked = (broker: Broker) => {
    expectFunctions('intercept', broker, ['request'], 'a function whose brokers give a broker')
    const found = known.get(broker) ?? checkedBroker(broker)
    known.set(broker, found)
    return found
  }
  return {
    any: () => checked(given.any()),
    byId(nodeId) {
      const broker = given.byId(nodeId)
      return broker && checked(broker)
    },
    learn: brokers => given.learn?.(brokers),
    close: async () => given.close?.()
  }
}

function checkedBroker(broker: Broker): Broker {
  return {
    async request(api, body, signal) {
      const response = await broker.request(api, body, signal)
      if (typeof response === 'object' && response !== null) return response
      throw new TypeError(
        `Expected the broker of \`intercept\` to answer ${api.name} with a response, got ${shown(response)}; return what the broker that it stands before gives`
      )
    }
  }
}
