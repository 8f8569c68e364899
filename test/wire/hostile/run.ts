import { tellMemoryTrend } from '../memory-trend.js'
import { runHostile } from './hour.js'

/**
 * Strangers beside honest clients for a time:
 * npm run hostile -- [seconds = 600] [rounds = 4] [strangers = 3000] [honest = 50]
 *   [pause of a stranger in ms = 5000] [pause of an honest client in ms = 200]
 */
const [seconds = 600, rounds = 4, strangers = 3000, honest = 50, pauseMs = 5000, everyMs = 200] = process.argv.slice(2).map(Number)
const report = await runHostile({
  strangers,
  honest,
  rounds,
  calmSeconds: Math.max(5, seconds / rounds / 4),
  hostileSeconds: seconds / rounds,
  pauseMs,
  everyMs,
  maxConnections: 5000
})
const { calm, hostile, errors, memory, before, after, sent, received, topics } = report
const shown = ({ requests, p50, p99, longest, longestEntry, entries, loopDelay, load }: typeof calm) =>
  [
    `${requests} requests, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, longest ${longest.toFixed(0)} ms`,
    `${entries} newcomers, each in within ${longestEntry.toFixed(0)} ms`,
    `${Math.round(load * 100)} % of a processor, p99 of the event loop's delay ${loopDelay.toFixed(2)} ms`
  ].join('; ')
console.log(`${honest} honest clients, ${strangers} strangers for ${seconds} s in ${rounds} rounds`)
console.log(`undisturbed: ${shown(calm)}`)
console.log(`disturbed:   ${shown(hostile)}`)
console.log(`p99: ${(hostile.p99 / calm.p99).toFixed(2)} times the undisturbed one`)
console.log(`strangers: ${JSON.stringify(report.strangers)}`)
console.log(`records: ${sent} sent, ${received} received; topics: ${topics.join(', ')}`)
console.log(`errors of honest clients: ${errors.length === 0 ? 'none' : errors.map(String).join('\n')}`)
console.log(
  `connections: ${before.connections} before, ${after.connections} after; bytes held: ${before.bytes} before, ${after.bytes} after`
)
console.log(`buffers grew by ${(report.bufferGrowth / 2 ** 20).toFixed(1)} MiB`)
console.log(`resident memory in MiB: ${memory.filter((_, i) => i % Math.ceil(memory.length / 60) === 0).join(' ')}`)
const isFlat = tellMemoryTrend(memory, 1.15)
const isWell = errors.length === 0 && sent === received && report.strangers.letIn === 0 && hostile.p99 <= 2 * calm.p99 && isFlat
process.exitCode = isWell ? 0 : 1
