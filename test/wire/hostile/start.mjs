/**
 * Compiles the run beside strangers, and starts it. A loader that compiles modules as they are
 * imported adds to the time of each function, and more to the time of the collector.
 */
import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const folder = fileURLToPath(new URL('.', import.meta.url))
const built = `${folder}.bench/`
await build({ input: `${folder}run.ts`, platform: 'node', output: { dir: built, entryFileNames: '[name].mjs' } })
cpSync(`${folder}strangers.mjs`, `${built}strangers.mjs`)
process.exit(spawnSync(process.execPath, [`${built}run.mjs`, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1)
