import { type Bus, busRate } from '../bus-run.js'
import { type Contestant, million, type Work } from '../contest.js'

const subscriberCounts = [1, 10, 100]

const buses: readonly { readonly name: string; readonly role: Contestant['role']; readonly load: () => Promise<Bus> }[] = [
  { name: 'EventEmitter', role: 'floor', load: async () => (await import('../peers/event-emitter.js')).eventEmitterBus },
  {
    name: 'millrace: sendBatch → cursor',
    role: 'us',
    load: async () => {
      const { millraceBus, sendBatches, readCursors } = await import('../peers/millrace-bus.js')
      return millraceBus(sendBatches, readCursors)
    }
  },
  {
    name: 'millrace: sendBatch → batches',
    role: 'us',
    load: async () => {
      const { millraceBus, sendBatches, readBatches } = await import('../peers/millrace-bus.js')
      return millraceBus(sendBatches, readBatches)
    }
  },
  { name: 'RxJS ReplaySubject', role: 'peer', load: async () => (await import('../peers/replay-subject.js')).replaySubjectBus },
  { name: 'emittery, await emit', role: 'peer', load: async () => (await import('../peers/emittery.js')).emitteryBus }
]

export const fanOut: Work = {
  name: 'fan-out',
  title: 'One publisher, many subscribers',
  about:
    'Every subscriber (for millrace, every consumer group) reads all messages of 100 bytes; the figure is millions of messages delivered a second, over all subscribers.',
  metrics: [{ ...million, title: 'deliveries' }],
  contestants: subscriberCounts.flatMap(subscribers =>
    buses.map(
      ({ name, role, load }) =>
        ({
          name: `${name}, ${subscribers === 1 ? '1 subscriber' : `${subscribers} subscribers`}`,
          role,
          family: String(subscribers),
          async run(setting) {
            const { rate } = await busRate(await load(), setting, { records: 2_000_000 / subscribers ** 0.7, subscribers })
            return { rate: rate * subscribers }
          }
        }) satisfies Contestant
    )
  )
}
