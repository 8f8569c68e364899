import { parentPort, workerData } from 'node:worker_threads'
import { fileStorage } from '../../../src/storage/file/index.js'

/* Holds a directory until it is terminated. */
const { directory, options } = workerData
const storage = fileStorage(directory, options)
await storage.prepare()
parentPort?.postMessage('held')
setInterval(() => storage.list(''), 1000)
