import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Check, checksIn, type ForeignClient } from './client-round.js'
import { missingCommand, runCommand } from './run-command.js'

const folder = fileURLToPath(new URL('.', import.meta.url))
const installed = `${folder}node_modules/node-rdkafka/`

/** Runs a program of the folder against a broker; resolves with its checks. */
export function runNode(program: string): (address: string) => Promise<Check[]> {
  return async address =>
    checksIn(await runCommand(process.execPath, [`${folder}${program}`, address], { cwd: folder, timeoutMs: 100_000 }))
}

/** node-rdkafka: librdkafka for Node, compiled where it is installed. */
export const nodeRdkafka: ForeignClient = {
  name: 'node-rdkafka (librdkafka)',
  async missing() {
    if (!existsSync(installed)) return 'It is not installed: node test/interop/clients/install.mjs'
    return missingCommand(process.execPath, ['-e', `require(${JSON.stringify(installed)})`])
  },
  version: async () => JSON.parse(readFileSync(`${installed}package.json`, 'utf8')).version,
  round: async (address, zstd) =>
    checksIn(await runCommand(process.execPath, [`${folder}node-rdkafka.mjs`, address, String(zstd)], { cwd: folder, timeoutMs: 200_000 }))
}
