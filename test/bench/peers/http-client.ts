/** Asks a server of the process that started it again and again, one request after the other, until it is told to stop; then tells how long each took. */
import { Agent, get } from 'node:http'

const port = Number(process.argv[2])
const pauseMs = 2
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const latencies: number[] = []
let isOver = false
process.on('message', () => (isOver = true))

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const request = get({ port, host: '127.0.0.1', agent }, response => {
      response.resume()
      response.on('end', () => {
        latencies.push(performance.now() - started)
        resolve()
      })
    })
    request.on('error', reject)
  })
}

await ask()
latencies.length = 0
process.send?.('ready')
while (!isOver) {
  await ask()
  await new Promise(resolve => setTimeout(resolve, pauseMs))
}
process.send?.(latencies, () => process.exit(0))
