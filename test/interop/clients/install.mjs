// Brings the clients that are not on this machine yet: node test/interop/clients/install.mjs. What has no toolchain here is left out.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const temporary = fileURLToPath(new URL('../../.tmp/', import.meta.url))
mkdirSync(temporary, { recursive: true })

function install(what, ...commands) {
  try {
    for (const [command, args, cwd = here] of commands) execFileSync(command, args, { cwd, stdio: 'inherit' })
    console.log(`${what}: installed`)
  } catch (error) {
    console.log(`${what}: left out (${error.message.split('\n')[0]})`)
  }
}

install('clients from npm', ['npm', ['ci']])
install(
  'clients from PyPI',
  ['python3', ['-m', 'venv', `${temporary}clients-python`]],
  [`${temporary}clients-python/bin/pip`, ['install', '-q', '-r', 'python/requirements.txt']]
)
for (const client of ['franz', 'confluent'])
  install(`${client} in Go`, ['go', ['build', '-o', `${temporary}clients-go-${client}`, `./${client}`], `${here}go`])
