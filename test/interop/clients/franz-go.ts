import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checksIn, type ForeignClient } from './client-round.js'
import { runCommand } from './run-command.js'

const modules = fileURLToPath(new URL('./go/go.mod', import.meta.url))
const program = fileURLToPath(new URL('../../.tmp/clients-go', import.meta.url))

/** franz-go, built once by install.mjs. */
export const franzGo: ForeignClient = {
  name: 'franz-go',
  missing: async () => (existsSync(program) ? undefined : 'It is not built: node test/interop/clients/install.mjs'),
  version: async () => /franz-go v([\d.]+)/.exec(readFileSync(modules, 'utf8'))?.[1] ?? 'unknown',
  round: async (address, zstd) => checksIn(await runCommand(program, [address, String(zstd)], { timeoutMs: 300_000 }))
}
