import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Check, checksIn, type ForeignClient } from './client-round.js'
import { missingCommand, runCommand } from './run-command.js'

const folder = fileURLToPath(new URL('./python/', import.meta.url))
const python = fileURLToPath(new URL('../../.tmp/clients-python/bin/python', import.meta.url))

/** Runs a program of the folder against a broker; resolves with its checks. */
export function runPython(program: string): (address: string) => Promise<Check[]> {
  return async address => checksIn(await runCommand(python, [program, address], { cwd: folder, timeoutMs: 100_000 }))
}

function pythonClient(name: string, program: string, module: string): ForeignClient {
  return {
    name,
    async missing() {
      if (!existsSync(python)) return 'It is not installed: node test/interop/clients/install.mjs'
      return missingCommand(python, ['-c', `import ${module}`])
    },
    version: async () => (await runCommand(python, ['-c', `import ${module}; print(${module}.__version__)`])).trim(),
    round: async (address, zstd) =>
      checksIn(await runCommand(python, [program, address, String(zstd)], { cwd: folder, timeoutMs: 200_000 }))
  }
}

export const kafkaPython: ForeignClient = pythonClient('kafka-python', 'kafka_python.py', 'kafka')
export const confluentPython: ForeignClient = pythonClient('confluent-kafka (Python, librdkafka)', 'confluent.py', 'confluent_kafka')
