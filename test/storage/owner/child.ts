import { createInterface } from 'node:readline'
import { Cluster } from '../../../src/cluster.js'
import type { Producer } from '../../../src/producer/producer.js'
import { type FileStorage, fileStorage } from '../../../src/storage/file/index.js'
import type { Command, Told } from './occupant.js'

/* Opens a directory and writes to it, as it is told on its input; answers on its output. */

let storage: FileStorage | undefined
let cluster: Cluster | undefined
let producer: Producer | undefined

const actions: { [D in Command['do']]: (command: Extract<Command, { do: D }>) => Promise<object> } = {
  async hold({ directory, options }) {
    const wanted = fileStorage(directory, options)
    try {
      await wanted.prepare()
    } catch (error) {
      await wanted.close()
      throw error
    }
    storage = wanted
    return { kind: wanted.lockKind }
  },
  async open({ directory, options }) {
    storage = fileStorage(directory, options)
    cluster = await Cluster.open({ storage })
    cluster.on('fenced', ({ error }) => tell({ event: 'fenced', message: error.message }))
    cluster.on('error', () => {})
    producer = cluster.producer()
    return { kind: storage.lockKind }
  },
  async send({ value }) {
    const { offset } = await (producer as Producer).send('t', { value })
    return { offset }
  },
  async flood({ label }) {
    const flood = async () => {
      for (let i = 0; ; i++) {
        const value = `${label}-${i}`
        await (producer as Producer).send('t', { value })
        tell({ acknowledged: value })
      }
    }
    flood().catch((error: Error) => tell({ event: 'refused', message: error.message }))
    return {}
  },
  async close() {
    await (cluster ?? storage)?.close()
    cluster = storage = undefined
    return {}
  }
}

function tell(answer: Told): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

createInterface({ input: process.stdin }).on('line', async line => {
  const command = JSON.parse(line) as Command
  try {
    tell({ id: command.id, ...(await actions[command.do](command as never)) })
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    tell({ id: command.id, error: message, code })
  }
})
tell({ event: 'ready', message: '' })
