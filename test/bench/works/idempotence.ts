import { busRate } from '../bus-run.js'
import { type Contestant, million, type Work } from '../contest.js'

type Ways = typeof import('../peers/millrace-bus.js')

/** The same work by a producer that numbers its batches, and by one that does not. */
function pair(way: string, sendOf: (ways: Ways) => Ways['sendBatches'], effort = 1): Contestant[] {
  return [false, true].map(enableIdempotence => ({
    name: `${enableIdempotence ? 'idempotent' : 'plain'}: ${way}`,
    role: 'us',
    family: way,
    effort,
    run: async setting => {
      const ways = await import('../peers/millrace-bus.js')
      const bus = ways.millraceBus(sendOf(ways), ways.readCursors, 'text', { enableIdempotence })
      return busRate(bus, setting, { records: 6_000_000, valueBytes: 100 })
    }
  }))
}

const goal = (way: string) => ({ row: `idempotent: ${way}`, metric: 'rate', of: `plain: ${way}`, atLeast: 0.95 })

export const idempotence: Work = {
  name: 'idempotence',
  title: 'What idempotence costs',
  about:
    'Records of 100 bytes through one partition to a group that reads them in place, in memory, by an idempotent producer and by one that is not.',
  metrics: [million],
  contestants: [
    ...pair('sendBatch of 1000', ways => ways.sendBatches),
    ...pair('send, windows of 1000', ways => ways.sendWindows, 0.5),
    ...pair('await send', ways => ways.sendOneByOne, 0.2)
  ],
  goals: ['sendBatch of 1000', 'send, windows of 1000', 'await send'].map(goal),
  chart: null,
  when: 'quick'
}
