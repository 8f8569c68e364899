/**
 * Builds `dist`, in three forms that share one set of classes in each process:
 *
 * - `dist/**.js`: ES modules, in few files. Loading 300 files takes longer than running them.
 *   Bundlers, browsers and the command line use these.
 * - `dist/cjs`: the same as CommonJS. Node uses it for `require` and for `import`.
 * - `dist/node`: ES modules that only name what `dist/cjs` exports. Node uses them for `import`.
 *
 * Node therefore has one copy of each class, whether a program imports the package, requires it,
 * or does both. Bundlers choose the condition `module` for both, and have one copy as well.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

process.chdir(fileURLToPath(new URL('.', import.meta.url)))
const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))

/** The entries of the package, as paths below `dist` without the extension. */
const subpaths = Object.values(exports)
  .filter(target => typeof target === 'object')
  .map(target => target.default.replace(/^\.\/dist\//, '').replace(/\.js$/, ''))

const commands = [
  'cli/main',
  // For the benchmark, which measures codecs alone.
  'record/compression/codec'
]

rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
const [modules, commonjs] = [await bundle([...subpaths, ...commands], 'esm'), await bundle(subpaths, 'cjs')]
for (const name of filesIn('dist')) if (name.endsWith('.js')) rmSync(name)
writeDeclarations()
for (const { fileName, code } of modules) write(`dist/${fileName}`, inLatin1(code))
for (const { fileName, code } of commonjs) write(`dist/cjs/${fileName}`, inLatin1(code))
write('dist/cjs/package.json', '{ "type": "commonjs" }\n')
const require = createRequire(import.meta.url)
for (const entry of subpaths) {
  const names = Object.keys(require(`./dist/cjs/${entry}.js`)).filter(name => name !== '__esModule')
  const path = relative(dirname(`dist/node/${entry}.js`), `dist/cjs/${entry}.js`)
  write(`dist/node/${entry}.js`, `import cjs from '${path}'\nexport const { ${names.join(', ')} } = cjs\n`)
}
chmodSync('dist/cli/main.js', 0o755)

async function bundle(entries, format) {
  const { output } = await build({
    input: Object.fromEntries(entries.map(name => [name, `dist/${name}.js`])),
    external: /^[^./]/,
    platform: 'node',
    output: {
      format,
      exports: 'named',
      chunkFileNames: 'chunks/[name].js',
      // One file for the core: a call into another CommonJS file costs a property look-up.
      ...(format === 'cjs' && { codeSplitting: { groups: [{ name: 'core', test: /dist[\\/](?!wire|testing|storage[\\/]file|cli)/ }] } })
    },
    logLevel: 'warn',
    write: false
  })
  return output
}

/** Keeps the declarations that an entry reaches, in a form that old compilers read, for both kinds of module. */
function writeDeclarations() {
  const reached = new Set()
  const visit = path => {
    if (reached.has(path)) return
    reached.add(path)
    for (const [, specifier] of readFileSync(path, 'utf8').matchAll(/(?:from|import\()\s*['"](\.[^'"]+)\.js['"]/g))
      visit(join(dirname(path), `${specifier}.d.ts`))
  }
  for (const entry of subpaths) visit(join(`dist/${entry}.d.ts`))
  for (const path of filesIn('dist').filter(name => name.endsWith('.d.ts'))) {
    if (!reached.has(path)) {
      rmSync(path)
      continue
    }
    // `Uint8Array` takes a type argument from TypeScript 5.7 on only.
    const code = readFileSync(path, 'utf8').replace(/\bUint8Array<ArrayBuffer(Like)?>/g, 'Uint8Array')
    const disposable = /\basyncDispose\b|\bAsyncDisposable\b/.test(code) ? '/// <reference lib="esnext.disposable" />\n' : ''
    write(path, disposable + code)
    write(path.replace(/^dist/, 'dist/cjs'), disposable + code)
  }
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** V8 keeps a file with any character beyond Latin-1, even in a comment, in memory with two bytes for each character. */
function inLatin1(code) {
  return code.replace(/[\u0100-\uffff]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
