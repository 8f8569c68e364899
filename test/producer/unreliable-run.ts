import { randomInteger } from '../../src/common/random.js'
import { untilSettled } from '../until-settled.js'
import { UnreliableCluster } from './unreliable-cluster.js'

export interface UnreliableRun {
  /** By partition: the values as they were sent, as they are in the log, and as the answers have them, at their offsets. */
  readonly sent: readonly (readonly string[])[]
  readonly written: readonly (readonly (string | null)[])[]
  readonly answered: readonly (readonly string[])[]
  /** How often each fault was met. */
  readonly met: ReadonlyMap<string, number>
  readonly mostInFlight: number
}

/** Sends 150 records through an unreliable cluster, and waits until all are delivered and nothing is on its way any more. */
export async function unreliableRun(seed: number, partitions: number, trace?: (line: string) => void): Promise<UnreliableRun> {
  const cluster = new UnreliableCluster(seed, trace)
  await cluster.open(partitions)
  const { clock, random } = cluster
  const producer = cluster.producer({
    batchSize: 150,
    requestTimeoutMs: 1000,
    retryBackoffMs: 20,
    retryBackoffMaxMs: 200,
    deliveryTimeoutMs: 60 * 60_000,
    maxBlockMs: 60 * 60_000
  })
  const sent: string[][] = Array.from({ length: partitions }, () => [])
  const answered: string[][] = Array.from({ length: partitions }, () => [])
  const answers: Promise<unknown>[] = []
  for (let i = 0; i < 150; i++) {
    const partition = randomInteger(random, partitions)
    const value = `${i}`
    sent[partition].push(value)
    const answer = producer.send('orders', { value, partition }).then(({ offset }) => {
      answered[partition][offset] = value
    })
    answers.push(answer)
    if (random.next() < 0.1) await clock.advance(randomInteger(random, 1500))
    if (random.next() < 0.02) await cluster.restart()
  }
  await untilSettled(Promise.all(answers), async steps => {
    await clock.advance(500)
    if (steps < 100 && random.next() < 0.03) await cluster.restart()
  })
  await clock.advance(10_000)
  const written = await Promise.all(sent.map((_, partition) => cluster.values(partition)))
  await producer.close()
  await cluster.close()
  return { sent, written, answered, met: cluster.met, mostInFlight: cluster.mostInFlight }
}
