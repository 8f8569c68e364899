import { parseArgs } from 'node:util'
import { hasContainers, removePrograms } from './occupant.js'
import { race } from './race.js'

/*
 * npm run races -- --races 100: lets processes in pid namespaces of their own go for one directory,
 * so many times each with a lock in the kernel, without one, and mixed. Needs root and `unshare`.
 */
const { values } = parseArgs({
  options: { races: { type: 'string' }, racers: { type: 'string' }, seed: { type: 'string' }, quiet: { type: 'boolean' } }
})
if (!hasContainers) console.log('There is no `unshare` here, or this is not root: the racers share their pid namespace.')
const note = values.quiet ? undefined : (line: string) => console.log(line)
let failures = 0
for (const [name, kernelLockShare] of [
  ['in the kernel', 1],
  ['by heartbeat', 0],
  ['mixed', 0.5]
] as const) {
  const options = { races: Number(values.races ?? 100), racers: Number(values.racers ?? 4), seed: Number(values.seed ?? 1) }
  const { races, kills, doubles, none } = await race({ ...options, kernelLockShare, sessionTimeoutMs: 2000, note })
  console.log(`locks ${name}: ${races} races, ${kills} owners killed, ${doubles} times two owners, ${none} times none`)
  failures += doubles + none
}
await removePrograms()
if (failures > 0) process.exitCode = 1
