import { ignoreRejection, tellFailed, tellRejection } from '../common/foreign.js'
import { expectFunctions, shown } from '../common/options.js'
import type { Broker, Brokers } from '../protocol/broker.js'

/**
 * Brokers that a user's code stands before. Whoever asks for one is in the midst of something: what
 * goes wrong there is how the request fails.
 */
export function checkedBrokers(given: Brokers): Brokers {
  const known = new WeakMap<Broker, Broker>()
  const checked = (broker: Broker) => {
    ignoreRejection(broker)
    expectFunctions('intercept', broker, ['request'], 'a function whose brokers give a broker')
    const found = known.get(broker) ?? checkedBroker(broker)
    known.set(broker, found)
    return found
  }
  return {
    any: () => brokerOf(() => checked(given.any())),
    byId(nodeId) {
      return brokerOf(() => {
        const broker = given.byId(nodeId)
        return broker && checked(broker)
      })
    },
    learn(brokers) {
      const tell = (error: unknown) => tellFailed('learn', error)
      try {
        tellRejection(given.learn?.(brokers), tell)
      } catch (error) {
        tell(error)
      }
    },
    close: async () => given.close?.()
  }
}

function brokerOf<B extends Broker | undefined>(find: () => B): B | Broker {
  try {
    return find()
  } catch (error) {
    return { request: () => Promise.reject(error) }
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
