import { parentPort } from 'node:worker_threads'

parentPort?.on('message', (value: string) => {
  const [seconds, nanoseconds] = process.hrtime()
  parentPort?.postMessage([value, seconds * 1e9 + nanoseconds])
})
