import { type Bus, busRate } from '../bus-run.js'
import { type Contestant, type Goal, million, type Work } from '../contest.js'

/** One publisher, one subscriber: the millions of messages a second that have been published and read. */
function busWork(name: string, title: string, valueBytes: number, records: number, goals: readonly Goal[], when?: Work['when']): Work {
  const contestant = (name: string, role: Contestant['role'], load: () => Promise<Bus>, more: Partial<Contestant> = {}): Contestant => ({
    name,
    role,
    ...more,
    run: async setting => busRate(await load(), setting, { records, valueBytes })
  })
  const ours = (name: string, load: (part: typeof import('../peers/millrace-bus.js')) => Bus, more?: Partial<Contestant>) =>
    contestant(name, 'us', async () => load(await import('../peers/millrace-bus.js')), more)
  return {
    name,
    title,
    about: `A publisher, and one subscriber that reads key and value of every message and checks their order; values of ${valueBytes} bytes, in memory. millrace: one partition, one consumer group.`,
    metrics: [million],
    contestants: [
      contestant('EventEmitter', 'floor', async () => (await import('../peers/event-emitter.js')).eventEmitterBus, {
        note: 'keeps nothing'
      }),
      ours('millrace: sendBatch → cursor', m => m.millraceBus(m.sendBatches, m.readCursors), { note: 'values read in place' }),
      ours('millrace: sendBatch of bytes → cursor', m => m.millraceBus(m.sendBatchesOfBytes, m.readCursors, 'bytes')),
      ours('millrace: sendBatch → batches', m => m.millraceBus(m.sendBatches, m.readBatches)),
      ours('millrace: sendBatch → batches of bytes', m => m.millraceBus(m.sendBatches, m.readBatchesOfBytes, 'bytes')),
      ours('millrace: sendBatch → for await', m => m.millraceBus(m.sendBatches, m.readRecords)),
      ours('millrace: send, windows of 1000 → for await', m => m.millraceBus(m.sendWindows, m.readRecords)),
      ours('millrace: await send → for await', m => m.millraceBus(m.sendOneByOne, m.readRecords), { effort: 0.2 }),
      contestant('fastq.promise, windows of 1000', 'peer', async () => (await import('../peers/fastq.js')).fastqBus),
      contestant('PassThrough → for await', 'peer', async () => (await import('../peers/pass-through.js')).passThroughBus),
      contestant('RxJS ReplaySubject', 'peer', async () => (await import('../peers/replay-subject.js')).replaySubjectBus, {
        note: 'keeps references to all'
      }),
      contestant('emittery, await emit', 'peer', async () => (await import('../peers/emittery.js')).emitteryBus, { effort: 0.5 }),
      contestant('worker MessageChannel, 1000 a post', 'peer', async () => (await import('../peers/message-channel.js')).messageChannelBus)
    ],
    goals,
    ...(when && { when })
  }
}

const fastq = 'fastq.promise, windows of 1000'
const emittery = 'emittery, await emit'

export const bus = busWork('bus', 'Event bus, 100-byte values', 100, 12_000_000, [
  { row: 'millrace: sendBatch → cursor', metric: 'rate', of: fastq, atLeast: 1.5 },
  { row: 'millrace: sendBatch → cursor', metric: 'rate', of: 'RxJS ReplaySubject', atLeast: 1 },
  { row: 'millrace: sendBatch of bytes → cursor', metric: 'rate', of: fastq, atLeast: 1.5 },
  { row: 'millrace: sendBatch → batches', metric: 'rate', of: fastq, atLeast: 0.75 },
  { row: 'millrace: sendBatch → batches', metric: 'rate', of: emittery, atLeast: 4.5 },
  { row: 'millrace: sendBatch → batches', metric: 'rate', of: 'worker MessageChannel, 1000 a post', atLeast: 2 },
  { row: 'millrace: sendBatch → for await', metric: 'rate', of: 'PassThrough → for await', atLeast: 0.75 },
  { row: 'millrace: send, windows of 1000 → for await', metric: 'rate', of: fastq, atLeast: 0.6 },
  { row: 'millrace: await send → for await', metric: 'rate', of: emittery, atLeast: 0.5 }
])

export const bus1k = busWork('bus-1k', 'Event bus, 1000-byte values', 1000, 3_000_000, [], 'quick')
