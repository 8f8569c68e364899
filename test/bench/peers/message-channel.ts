import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { BusRun } from '../bus-run.js'

/** A worker that reads what is posted to it, a thousand messages at a time, at most ten posts ahead; it checks the order itself. */
export async function messageChannelBus({ messages, count, inboxes: [inbox] }: BusRun): Promise<number> {
  const worker = new Worker(new URL('./message-channel-worker.js', import.meta.url), { workerData: count })
  await once(worker, 'message')
  const started = performance.now()
  let answered = 0
  let go: (() => void) | undefined
  const finished = new Promise<void>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('message', (seen: number) => {
      answered++
      go?.()
      if (seen === count) resolve()
    })
  })
  for (let posts = 0; posts * messages.length < count; posts++) {
    while (posts - answered >= 10) await new Promise<void>(resolve => (go = resolve))
    worker.postMessage(messages)
  }
  await finished
  const elapsed = performance.now() - started
  inbox.seen = count
  await worker.terminate()
  return elapsed
}
