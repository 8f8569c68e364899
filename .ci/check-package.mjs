/**
 * Checks the package as its user gets it. Packs it, runs `publint` and `attw` on the archive, unpacks it
 * beside a small project, and loads every subpath with `import`, with `require` and with the compiler.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const work = mkdtempSync(join(tmpdir(), 'millrace-package-'))
const run = (command, args, cwd = root) => execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
const tool = (path, ...args) => run(process.execPath, [join(root, 'node_modules', path), ...args])

try {
  execFileSync('npm', ['pack', '--pack-destination', work], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32'
  })
  const archive = join(
    work,
    readdirSync(work).find(name => name.endsWith('.tgz'))
  )
  tool('publint/src/cli.js', 'run', archive, '--strict')
  tool('@arethetypeswrong/cli/dist/index.js', archive, '--profile', 'strict')
  useIt(archive)
  checkLinks()
  // npm warns whoever installs a package with one of these.
  const scripts = ['preinstall', 'install', 'postinstall', 'prepare'].filter(name => manifest.scripts[name])
  if (scripts.length) throw new Error(`package.json has scripts that npm runs, or warns of, on install: ${scripts}`)
  console.log('The package can be imported, required and compiled against.')
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Looks up every file that the papers of the unpacked package link to. */
function checkLinks() {
  const top = join(work, 'package')
  const papers = readdirSync(top, { recursive: true }).filter(name => name.endsWith('.md'))
  for (const paper of papers) {
    for (const [, link] of readFileSync(join(top, paper), 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      if (!existsSync(join(top, dirname(paper), link))) throw new Error(`${paper} links to ${link}, which the package does not have`)
    }
  }
}

function useIt(archive) {
  const project = join(work, 'project')
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
  run('tar', ['-xzf', archive, '-C', work])
  cpSync(join(work, 'package'), join(project, 'node_modules/millrace'), { recursive: true })
  for (const name of [...Object.keys(manifest.dependencies), '@types/node', 'undici-types']) {
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name), 'junction')
  }
  const subpaths = Object.keys(manifest.exports).filter(subpath => subpath !== './package.json')
  const names = subpaths.map(subpath => `millrace${subpath.slice(1)}`)
  const lines = statement => names.map((name, index) => statement(name, index)).join('\n')
  write('package.json', JSON.stringify({ type: 'module' }))
  write(
    'load.js',
    `import { createRequire } from 'node:module'
     const require = createRequire(import.meta.url)
     for (const name of ${JSON.stringify(names)}) {
       const [imported, required] = [await import(name), require(name)]
       const missing = Object.keys(imported).filter(key => imported[key] !== required[key])
       if (missing.length || !Object.keys(imported).length) throw new Error(name + ' differs between import and require: ' + missing)
     }
     const { Cluster, KafkaError } = await import('millrace')
     const { listen, connect } = require('millrace/wire')
     const cluster = await Cluster.open()
     const listener = await listen(cluster)
     const remote = await connect({ brokers: [listener.address] })
     const error = await remote.admin().describeTopics(['absent']).catch(error => error)
     if (!(error instanceof KafkaError)) throw new Error('An error of a required subpath is no KafkaError of the imported package: ' + error)
     await remote.close()
     await listener.close()
     await cluster.close()`
  )
  write(
    'require.cjs',
    lines((name, index) => `const m${index} = require('${name}')`)
  )
  write(
    'use.ts',
    lines((name, index) => `import * as m${index} from '${name}'\nexport const names${index} = Object.keys(m${index})`)
  )
  cpSync(join(project, 'use.ts'), join(project, 'use.cts'))
  // Our declarations stand the compiler's full look (no skipLibCheck), with both ways of finding modules that matter today.
  const options = {
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: false
  }
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler']
  ]) {
    write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: { ...options, module, moduleResolution },
        files: module === 'nodenext' ? ['use.ts', 'use.cts'] : ['use.ts']
      })
    )
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], project)
  }
  run(process.execPath, ['load.js'], project)
  run(process.execPath, ['require.cjs'], project)

  function write(name, text) {
    writeFileSync(join(project, name), text)
  }
}
