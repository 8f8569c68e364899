import { busRate } from '../bus-run.js'
import { type Contestant, million, type Work } from '../contest.js'

const sizes = [
  { size: 1, records: 30_000 },
  { size: 100, records: 1_000_000 },
  { size: 10_000, records: 3_000_000 }
]

const nameOf = (size: number) => (size === 1 ? 'one record' : `${size.toLocaleString('en-US')} records`)

/**
 * The same records, in groups of so many that are awaited one after the other: plainly, by an
 * idempotent producer, and each group in a transaction.
 */
function rowsOf({ size, records }: (typeof sizes)[number]): Contestant[] {
  return (['plain', 'idempotent', 'transaction'] as const).map(way => ({
    name: `${way}: ${nameOf(size)}`,
    role: 'us',
    family: nameOf(size),
    run: async setting => {
      const ways = await import('../peers/millrace-bus.js')
      const isTransactional = way === 'transaction'
      const send = isTransactional ? ways.sendTransactions(size) : ways.sendGroups(size)
      const options = isTransactional ? { transactionalId: 'bench' } : { enableIdempotence: way === 'idempotent' }
      const bus = ways.millraceBus(send, ways.readCursors, 'text', options, isTransactional ? 'read_committed' : 'read_uncommitted')
      return busRate(bus, setting, { records, valueBytes: 100 })
    }
  }))
}

export const transactions: Work = {
  name: 'transactions',
  title: 'What transactions cost',
  about:
    'Records of 100 bytes through one partition to a group that reads them in place, in memory, in groups of one size that are awaited one after the other: each plainly, or each in a transaction, to readers of what is committed.',
  metrics: [million],
  contestants: sizes.flatMap(rowsOf),
  goals: [{ row: `transaction: ${nameOf(100)}`, metric: 'rate', of: `plain: ${nameOf(100)}`, atLeast: 0.5 }],
  chart: null
}
