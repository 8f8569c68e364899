/**
 * Tries the packed package with runners, compilers, bundlers and runtimes, and writes a table.
 *
 *     npm run matrix                 # every row; writes docs/compatibility.md
 *     npm run matrix -- --quick      # the rows that CI runs; writes nothing
 *     npm run matrix -- jest deno    # the rows whose names contain one of these words
 *
 * Its tools are installed from its own lock file, into a folder of its own.
 */
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rows } from './rows.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '../..')
const words = process.argv.slice(2).filter(word => !word.startsWith('--'))
const isQuick = process.argv.includes('--quick')
const work = mkdtempSync(join(tmpdir(), 'millrace-matrix-'))

try {
  if (!existsSync(join(here, 'node_modules')))
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] })
  const unpacked = unpack()
  const results = []
  for (const row of rows) {
    if (isQuick && !row.isQuick) continue
    if (words.length > 0 && !words.some(word => `${row.group} ${row.name}`.toLowerCase().includes(word.toLowerCase()))) continue
    const folder = join(work, `row-${results.length}`)
    layOut(folder, unpacked, row)
    const outcome = await tried(row, folder)
    results.push({ ...row, ...outcome })
    console.log(`${outcome.mark.padEnd(7)} ${row.group}: ${row.name}${outcome.detail ? `: ${outcome.detail}` : ''}`)
    rmSync(folder, { recursive: true, force: true })
  }
  if (!isQuick && words.length === 0) writeFileSync(join(root, 'docs/compatibility.md'), page(results))
  const failed = results.filter(({ mark }) => mark === 'failed').length
  console.log(
    `${results.filter(({ mark }) => mark === 'ok').length} ok, ${failed} failed, ${results.filter(({ mark }) => mark === 'absent').length} absent`
  )
  process.exitCode = failed > 0 || results.length === 0 ? 1 : 0
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** The package as `npm publish` would send it. */
function unpack() {
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', work], { cwd: root, stdio: ['ignore', 'ignore', 'ignore'] })
  const archive = readdirSync(work).find(name => name.endsWith('.tgz'))
  execFileSync('tar', ['-xzf', join(work, archive), '-C', work])
  return join(work, 'package')
}

/** A project of its own for a row: the package with its dependencies, and the tools beside it. */
function layOut(folder, unpacked, { withNodeTypes = true }) {
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  cpSync(unpacked, join(folder, 'node_modules/millrace'), { recursive: true })
  const { dependencies } = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies))
    cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true })
  for (const name of readdirSync(join(here, 'node_modules'))) {
    if (name.startsWith('.') || existsSync(join(folder, 'node_modules', name))) continue
    if (name === '@types' && !withNodeTypes) continue
    symlinkSync(join(here, 'node_modules', name), join(folder, 'node_modules', name), 'junction')
  }
  cpSync(join(here, 'programs'), folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n')
}

async function tried(row, folder) {
  const write = (name, text) => writeFileSync(join(folder, name), text)
  const run = (command, args, options = {}) =>
    new Promise((resolve, reject) => {
      const onEnd = (error, stdout, stderr) => {
        if (error) reject(Object.assign(new Error(`${stdout}\n${stderr}\n${error.message}`), { code: error.code }))
        else resolve(`${stdout}${stderr}`)
      }
      const env = { ...process.env, NO_COLOR: '1', ...options.env }
      execFile(command, args, { cwd: folder, timeout: 240_000, maxBuffer: 2 ** 26, env, shell: false }, onEnd)
    })
  const tool = (path, args, options) => run(process.execPath, [join(here, 'node_modules', path), ...args], options)
  try {
    const output = await row.run({ folder, write, run, tool, bin: name => join(here, 'node_modules/.bin', name) })
    if (!/\bok\b/.test(output)) return { mark: 'failed', detail: lastLines(output) }
    return { mark: 'ok', detail: '' }
  } catch (error) {
    if (error.code === 'ENOENT' || error.isAbsent) return { mark: 'absent', detail: `not on this machine` }
    return { mark: 'failed', detail: lastLines(error.message) }
  }
}

function lastLines(text) {
  const lines = text.split('\n').filter(line => line.trim() !== '')
  return lines.slice(-12).join('\n        ')
}

function page(results) {
  const groups = [...new Set(results.map(({ group }) => group))]
  const tables = groups.map(group => {
    const lines = results.filter(row => row.group === group).map(({ name, mark, note = '' }) => `| ${name} | ${mark} | ${note} |`)
    return `## ${group}\n\n| tried | result | remark |\n|---|---|---|\n${lines.join('\n')}\n`
  })
  return `# Compatibility

\`npm run matrix\` wrote this page on ${new Date().toISOString().slice(0, 10)}. Each row installs the packed package in a folder of its own, loads
it in the way that the row names, and runs one program: produce and consume in memory, on disk and over a
socket. \`ok\` means that the program ran to its end. CI runs a part of the rows for each change.

The lowest TypeScript is 5.2. The lowest Node is 20.19.

${tables.join('\n')}`
}
