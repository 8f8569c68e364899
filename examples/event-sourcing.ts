/** Event sourcing: what happened is kept for ever, and what is true now is a replay of it. */
import { Cluster, json, string, topic } from 'millrace'

type AccountEvent = { readonly type: 'opened' | 'deposited' | 'withdrawn'; readonly amount: number }

// Without `keep` a topic loses what is older than a week, as in Kafka; and a group that is not used for a week, its offsets.
const events = topic('account-events', { key: string, value: json<AccountEvent>(), keep: 'forever' })

await using cluster = await Cluster.open() // { storage: fileStorage('./data') } keeps it beyond this process
await using producer = cluster.producer()
await producer.send(events, { key: 'ann', value: { type: 'opened', amount: 0 } })
await producer.send(events, { key: 'ann', value: { type: 'deposited', amount: 100 } })
await producer.send(events, { key: 'ann', value: { type: 'withdrawn', amount: 30 } })

const balances = new Map<string, number>()
await using projection = cluster.consumer({ topics: [events], autoOffsetReset: 'earliest' })
let seen = 0
for await (const { key, value } of projection) {
  const sign = value.type === 'withdrawn' ? -1 : 1
  balances.set(key, (balances.get(key) ?? 0) + sign * value.amount)
  if (++seen === 3) break
}
console.log(`ann has ${balances.get('ann')}`)
