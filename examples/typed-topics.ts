/** Topics whose values are checked by a validator, here zod's, on their way in and on their way out. */
import { Cluster, json, string, topic } from 'millrace'
import { z } from 'zod'

const Signup = z.object({ email: z.email(), plan: z.enum(['free', 'pro']).default('free') })

// Any Standard Schema validator will do. The type of the values is the schema's: nothing to write twice.
const signups = topic('signups', { key: string, value: json(Signup) })

await using cluster = await Cluster.open()
await using producer = cluster.producer()
await producer.send(signups, { key: 'u-1', value: { email: 'ann@example.com', plan: 'pro' } })

// A wrong value is refused at the call, before anything is written.
try {
  await producer.send(signups, { key: 'u-2', value: { email: 'nobody', plan: 'pro' } })
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`)
}

// Someone else wrote this one without the schema; what is read has been through it, its defaults included.
await producer.send('signups', { key: 'u-3', value: '{"email":"cid@example.com"}' })

await using consumer = cluster.consumer({ groupId: 'welcome', topics: [signups], autoOffsetReset: 'earliest' })
for await (const { key, value } of consumer) {
  console.log(`${key}: ${value.email} on plan ${value.plan}`)
  if (key === 'u-3') break
}
