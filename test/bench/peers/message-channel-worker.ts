import { parentPort, workerData } from 'node:worker_threads'
import { Inbox, type Message } from '../messages.js'

const inbox = new Inbox(workerData as number)
parentPort?.on('message', (messages: Message[]) => {
  for (const { key, value } of messages) inbox.see(key, value)
  parentPort?.postMessage(inbox.seen)
})
parentPort?.postMessage('ready')
