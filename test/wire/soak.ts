import { runService } from './service.js'

/** A service with many clients for a time: npx tsx test/wire/soak.ts [clients = 200] [seconds = 60] [restarts = 3] */
const [clients = 200, seconds = 60, restarts = 3] = process.argv.slice(2).map(Number)
const { sent, received, errors, memory } = await runService({ clients, seconds, restarts })
console.log(`${clients} clients, ${seconds} s, ${restarts} restarts: ${sent} records sent; received by group: ${received.join(', ')}`)
console.log(`errors: ${errors.length === 0 ? 'none' : errors.map(String).join('\n')}`)
console.log(`resident memory in MiB, second by second: ${memory.join(' ')}`)
// Between two collections memory grows anyway, and in the beginning logs fill: what counts is how low it falls from then on.
const third = Math.floor(memory.length / 3)
const [early, late] = [Math.min(...memory.slice(third, -third)), Math.min(...memory.slice(-third))]
const isFlat = late <= early * 1.3
console.log(`from ${early} to ${late} MiB: ${isFlat ? 'flat' : 'it grows'}`)
process.exitCode = errors.length === 0 && received.every(count => count === sent) && isFlat ? 0 : 1
