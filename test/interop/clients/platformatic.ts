import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checksIn, type ForeignClient } from './client-round.js'
import { runCommand } from './run-command.js'

const folder = fileURLToPath(new URL('.', import.meta.url))
const manifest = `${folder}node_modules/@platformatic/kafka/package.json`
const node = `${folder}node_modules/node/bin/node`

/** @platformatic/kafka, which wants a newer Node than millrace does and so brings its own. */
export const platformatic: ForeignClient = {
  name: '@platformatic/kafka',
  missing: async () => (existsSync(manifest) && existsSync(node) ? undefined : 'It is not installed: npm ci in test/interop/clients'),
  version: async () => JSON.parse(readFileSync(manifest, 'utf8')).version,
  round: async (address, zstd) =>
    checksIn(
      await runCommand(node, [`${folder}platformatic.mjs`, address, String(zstd && process.versions.zstd !== undefined)], {
        cwd: folder,
        timeoutMs: 120_000
      })
    )
}
