/**
 * Starts the benchmark: installs what millrace is compared with (once, unless it is a smoke test), compiles, and goes. The compiler is used as it
 * is for `dist`, so that both sides run the same kind of code.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const args = process.argv.slice(2)

if (!args.includes('--smoke') && !args.includes('--help') && !existsSync(`${folder}node_modules`)) {
  console.error('Installing what millrace is compared with …')
  const options = { cwd: folder, stdio: 'inherit' }
  const { status } = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], options)
  if (status !== 0) console.error('That failed: peers that are not there are skipped.')
}
const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
const { status } = spawnSync(
  process.execPath,
  [compiler, '-p', folder, '--noCheck', '--rootDir', folder, '--outDir', `${folder}.bench/build`],
  { stdio: 'inherit' }
)
if (status !== 0) process.exit(status ?? 1)
process.exit(spawnSync(process.execPath, [`${folder}.bench/build/main.js`, ...args], { stdio: 'inherit' }).status ?? 1)
