import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checksIn, type ForeignClient } from './client-round.js'
import { runCommand } from './run-command.js'

const modules = fileURLToPath(new URL('./go/go.mod', import.meta.url))

/** A client in Go, whose round was built by install.mjs. */
function goClient(name: string, folder: string, module: RegExp): ForeignClient {
  const program = fileURLToPath(new URL(`../../.tmp/clients-go-${folder}`, import.meta.url))
  return {
    name,
    missing: async () => (existsSync(program) ? undefined : 'It is not built: node test/interop/clients/install.mjs'),
    version: async () => module.exec(readFileSync(modules, 'utf8'))?.[1] ?? 'unknown',
    round: async (address, zstd) => checksIn(await runCommand(program, [address, String(zstd)], { timeoutMs: 300_000 }))
  }
}

export const franzGo: ForeignClient = goClient('franz-go', 'franz', /franz-go v([\d.]+)/)
export const confluentGo: ForeignClient = goClient('confluent-kafka-go (librdkafka)', 'confluent', /confluent-kafka-go\/v2 v([\d.]+)/)
