import { tellMemoryTrend } from './memory-trend.js'
import { runService } from './service.js'

/** A service with many clients for a time: npx tsx test/wire/soak.ts [clients = 200] [seconds = 60] [restarts = 3] */
const [clients = 200, seconds = 60, restarts = 3] = process.argv.slice(2).map(Number)
const { sent, received, errors, memory } = await runService({ clients, seconds, restarts })
console.log(`${clients} clients, ${seconds} s, ${restarts} restarts: ${sent} records sent; received by group: ${received.join(', ')}`)
console.log(`errors: ${errors.length === 0 ? 'none' : errors.map(String).join('\n')}`)
console.log(`resident memory in MiB, second by second: ${memory.join(' ')}`)
const isFlat = tellMemoryTrend(memory, 1.3)
process.exitCode = errors.length === 0 && received.every(count => count === sent) && isFlat ? 0 : 1
