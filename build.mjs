/**
 * Builds `dist`: first as the compiler does it, file by file; then the code is put together in a few files, since finding three hundred takes longer
 * than running them. What several entries need is in `dist/chunks`, so that a class is the same class whichever subpath it comes from.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const entries = [
  'index',
  'storage/file/index',
  'wire/index',
  'testing/index',
  'cli/main',
  // Not for users: the benchmark measures codecs alone.
  'record/compression/codec'
]

process.chdir(fileURLToPath(new URL('.', import.meta.url)))
rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
const { output } = await build({
  input: Object.fromEntries(entries.map(name => [name, `dist/${name}.js`])),
  external: /^[^./]/,
  platform: 'node',
  output: { format: 'esm', chunkFileNames: 'chunks/[name].js' },
  logLevel: 'warn',
  write: false
})
for (const name of readdirSync('dist', { recursive: true })) if (name.endsWith('.js')) rmSync(`dist/${name}`)
for (const { fileName, code } of output) {
  mkdirSync(dirname(`dist/${fileName}`), { recursive: true })
  writeFileSync(`dist/${fileName}`, inLatin1(code))
}
chmodSync('dist/cli/main.js', 0o755)

/** One character beyond Latin-1, and be it in a comment, and V8 keeps the whole file in memory with two bytes for each. */
function inLatin1(code) {
  return code.replace(/[\u0100-\uffff]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
