import { parseArgs } from 'node:util'
import { killPipe } from './kill.js'

/*
 * npm run kill-pipe -- --records 1000000 --kills 200: kills a process that often while its pipe moves
 * records on a disk. With --directory it works there, and goes on with what is there; with --seconds
 * it stops after a while, for another run to go on.
 */
const { values } = parseArgs({
  options: {
    records: { type: 'string' },
    kills: { type: 'string' },
    seed: { type: 'string' },
    directory: { type: 'string' },
    seconds: { type: 'string' }
  }
})
const tally = await killPipe({
  records: Number(values.records ?? 1_000_000),
  kills: Number(values.kills ?? 200),
  seed: Number(values.seed ?? 1),
  directory: values.directory,
  timeMs: values.seconds === undefined ? undefined : 1000 * Number(values.seconds),
  note: line => console.log(line)
})
console.log(JSON.stringify(tally), tally.isFinished ? 'every record once' : 'to be gone on with')
