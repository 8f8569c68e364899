import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/**
 * What each folder of src may import, besides itself, `common` and `errors.ts`. `types:x` allows `import type` from x and no more.
 * A module that needs something else is in the wrong folder, or the thing it needs is.
 */
const mayImport: Record<string, readonly string[]> = {
  common: [],
  storage: [],
  record: [],
  protocol: [],
  assignor: ['protocol'], // for the codec: what members tell each other is written in the words of Kafka's schemas
  log: ['types:storage', 'record'],
  metadata: ['protocol', 'record', 'assignor'],
  coordinator: ['protocol', 'record', 'assignor'],
  authorizer: ['metadata', 'protocol', 'record'],
  broker: ['metadata', 'authorizer', 'coordinator', 'log', 'protocol', 'record', 'types:storage'],
  client: ['protocol', 'record'],
  producer: ['client', 'protocol', 'record'],
  consumer: ['client', 'protocol', 'record', 'assignor'],
  admin: ['client', 'protocol', 'record', 'types:assignor'],
  pipe: ['producer', 'consumer', 'client', 'protocol', 'record', 'types:assignor'],
  wire: ['protocol', 'cluster-client.ts'],
  cli: ['cluster.ts', 'cluster-client.ts', 'wire', 'storage', 'log', 'metadata', 'coordinator', 'protocol', 'record'],
  interop: ['types:*'],
  testing: ['types:*', 'protocol']
}

/** The files that stand beside the folders: who puts everything together, and the list of public names. */
const roots: Record<string, { readonly not: readonly string[] }> = {
  'cluster-client.ts': {
    not: ['wire', 'cli', 'interop', 'testing', 'index.ts', 'cluster.ts', 'storage', 'log', 'metadata', 'coordinator', 'values:broker']
  },
  'cluster.ts': { not: ['wire', 'cli', 'interop', 'testing', 'index.ts'] },
  'index.ts': { not: ['wire', 'cli', 'interop', 'testing'] },
  'errors.ts': { not: ['*'] }
}

/** Everything else stays portable: no `node:` modules. */
const maySpeakToNode = [/^storage\/file[./]/, /^record\/compression\//, /^wire\//, /^cli\//, /^interop\//]

/** Where each runtime dependency is used; a dependency that is missing here is used nowhere. */
const packages: Record<string, RegExp> = {
  pako: /^record\/compression\//,
  lz4js: /^record\/compression\//,
  eventemitter3: /^common\/emitter\.ts$/
}

describe('the architecture', () => {
  const files = sourceFiles()

  it('has a rule for every folder and file at the top of src', () => {
    const tops = [...new Set(files.map(file => top(file.path)))]
    expect(tops.filter(name => !(name in mayImport) && !(name in roots))).toEqual([])
  })

  it('holds the import table', () => {
    const broken = files.flatMap(file =>
      file.imports.filter(({ target, type }) => target.startsWith('src/') && !allowed(file.path, target.slice(4), type)).map(show(file))
    )
    expect(broken).toEqual([])
  })

  it('has no circle between files, types included', () => {
    expect(circleAmong(files)).toEqual([])
  })

  it('imports modules of Node only in storage/file, record/compression, wire, cli and interop', () => {
    const speaking = files.filter(file => !maySpeakToNode.some(place => place.test(file.path)))
    expect(speaking.flatMap(file => file.imports.filter(({ target }) => target.startsWith('node:')).map(show(file)))).toEqual([])
  })

  it('imports packages only where they belong, and none that a user would not have installed', () => {
    const broken = files.flatMap(file =>
      file.imports
        .filter(({ target }) => !/^(src\/|node:)/.test(target))
        .filter(({ target }) => !packages[target]?.test(file.path))
        .map(show(file))
    )
    expect(broken).toEqual([])
    const manifest = JSON.parse(readFileSync(join(src, '../package.json'), 'utf8'))
    expect(Object.keys(manifest.dependencies).sort()).toEqual(Object.keys(packages).sort())
  })

  it('re-exports only from index.ts', () => {
    const barrels = files.filter(file => !file.path.endsWith('index.ts') && file.imports.some(({ reExport }) => reExport))
    expect(barrels.map(file => file.path)).toEqual([])
  })

  it('lists public names by hand: no `export *` anywhere', () => {
    expect(files.filter(file => /^export \*/m.test(file.code)).map(file => file.path)).toEqual([])
  })

  it('never reaches a module through an index.ts', () => {
    expect(files.flatMap(file => file.imports.filter(({ target }) => /(^|\/)index\.ts$/.test(target)).map(show(file)))).toEqual([])
  })

  it('listens to signals in common/abort.ts only, where no listeners pile up', () => {
    const listening = files.filter(({ code }) => /addEventListener\(\s*'abort'|AbortSignal\.any\(/.test(code))
    expect(listening.map(({ path }) => path)).toEqual(['common/abort.ts'])
  })

  it('takes time, timers and turns of the event loop from common/host.ts and a clock only, where they are real under fake timers', () => {
    const global = /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bnextTick\(|\b(Date|performance)\.now\(|node:timers/
    const places = files.filter(({ path, code }) => global.test(code) && !path.startsWith('cli/'))
    expect(places.map(({ path }) => path).sort()).toEqual(['common/host.ts', 'common/system-clock.ts'])
  })

  it('begins no comment with a question word: the subject stands first', () => {
    const questions =
      /(?:\/\*\*(?:\n *\*)? |(?<!\/\/ .*\n *)\/\/ )(?:What|Who|Whoever|How|Whether|Where|Wherever|Those|Why|Which|When)\b.*/g
    const found = files.flatMap(({ path, code }) => Array.from(code.matchAll(questions), ([comment]) => `${path}: ${comment}`))
    expect(found).toEqual([])
  })

  it('is told in papers that name only files that exist', () => {
    const named = ['ARCHITECTURE.md', 'CONTRIBUTING.md'].flatMap(paper =>
      [...readFileSync(join(src, '..', paper), 'utf8').matchAll(/`((?:src|test)\/[\w./-]+)`/g)].map(([, path]) => path)
    )
    expect(named.length).toBeGreaterThan(30)
    expect(named.filter(path => !existsSync(join(src, '..', path)))).toEqual([])
  })

  it('has every folder of src in the table of ARCHITECTURE.md', () => {
    const rows = readFileSync(join(src, '../ARCHITECTURE.md'), 'utf8')
      .split('\n')
      .filter(line => line.startsWith('| `'))
    const folders = Object.keys(mayImport).filter(folder => existsSync(join(src, folder)))
    expect(folders.filter(folder => !rows.some(row => row.split('|')[1].includes(`\`${folder}\``)))).toEqual([])
  })

  it('imports only files that exist', () => {
    const known = new Set(files.map(file => `src/${file.path}`))
    expect(
      files.flatMap(file => file.imports.filter(({ target }) => target.startsWith('src/') && !known.has(target)).map(show(file)))
    ).toEqual([])
  })
})

describe('the reader of imports that these rules rest on', () => {
  it('finds a circle of imports', () => {
    const file = (path: string, ...targets: string[]) => ({
      path,
      code: '',
      imports: targets.map(target => ({ target: `src/${target}`, type: true, reExport: false }))
    })
    expect(circleAmong([file('a.ts', 'b.ts'), file('b.ts', 'c.ts', 'd.ts'), file('c.ts'), file('d.ts', 'b.ts')])).toEqual([
      'b.ts',
      'd.ts',
      'b.ts'
    ])
  })

  it.each([
    [`import { a } from './a.js'`, [{ target: 'src/log/a.ts', type: false, reExport: false }]],
    [`import type { A } from '../record/a.js'`, [{ target: 'src/record/a.ts', type: true, reExport: false }]],
    [`import { type A } from './a.js'`, [{ target: 'src/log/a.ts', type: false, reExport: false }]],
    [`import {\n  a,\n  b\n} from './a.js'`, [{ target: 'src/log/a.ts', type: false, reExport: false }]],
    [`import './a.js'`, [{ target: 'src/log/a.ts', type: false, reExport: false }]],
    [`export { a } from './a.js'`, [{ target: 'src/log/a.ts', type: false, reExport: true }]],
    [`export type { A } from './a.js'`, [{ target: 'src/log/a.ts', type: true, reExport: true }]],
    [`const zlib = await import('node:zlib')`, [{ target: 'node:zlib', type: false, reExport: false }]],
    [`let a: import('./a.js').A`, [{ target: 'src/log/a.ts', type: true, reExport: false }]],
    [`// import { a } from './a.js'\n/* import './b.js' */`, []],
    [`/**\n * import { Cluster } from 'millrace'\n */\nexport const from = 1`, []]
  ])('%j', (code, imports) => {
    expect(importsOf('log/log.ts', code)).toEqual(imports)
  })
})

interface Import {
  /** `src/…/file.ts` inside the sources, else the specifier as it stands. */
  readonly target: string
  readonly type: boolean
  readonly reExport: boolean
}

interface SourceFile {
  readonly path: string
  readonly code: string
  readonly imports: readonly Import[]
}

const src = fileURLToPath(new URL('../src', import.meta.url))

function sourceFiles(): SourceFile[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .map(path => path.split(sep).join('/'))
    .sort()
    .map(path => {
      const code = readFileSync(join(src, path), 'utf8')
      return { path, code, imports: importsOf(path, code) }
    })
}

function importsOf(path: string, code: string): Import[] {
  const imports: Import[] = []
  const add = (specifier: string, type: boolean, reExport: boolean) => imports.push({ target: resolved(path, specifier), type, reExport })
  const bare = code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;{}])\/\/.*$/gm, '$1')
  for (const [, verb, type, specifier] of bare.matchAll(
    /^\s*(import|export)\s+(type\s+)?(?:[\w$*{][^'"`;=]*?\s+from\s+)['"]([^'"]+)['"]/gm
  )) {
    add(specifier, type !== undefined, verb === 'export')
  }
  for (const [, specifier] of bare.matchAll(/^\s*import\s+['"]([^'"]+)['"]/gm)) add(specifier, false, false)
  for (const [, specifier, member] of bare.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)(\.[A-Z])?/g))
    add(specifier, member !== undefined, false)
  return imports
}

function resolved(path: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  const target = relative(dirname(src), resolve(src, dirname(path), specifier))
  return target.split(sep).join('/').replace(/\.js$/, '.ts')
}

/** The first circle of imports that is found, as a path that begins and ends with the same file; empty where there is none. */
function circleAmong(files: readonly SourceFile[]): string[] {
  const targets = new Map(files.map(({ path, imports }) => [path, imports.map(({ target }) => target.replace(/^src\//, ''))]))
  const done = new Set<string>()
  const visit = (path: string, above: readonly string[]): string[] => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path]
    if (done.has(path)) return []
    for (const target of targets.get(path) ?? []) {
      const circle = visit(target, [...above, path])
      if (circle.length > 0) return circle
    }
    done.add(path)
    return []
  }
  for (const { path } of files) {
    const circle = visit(path, [])
    if (circle.length > 0) return circle
  }
  return []
}

/** `log` for `log/segment/segment.ts`; a file directly in src stands for itself. */
function top(path: string): string {
  return path.split('/')[0]
}

function allowed(path: string, target: string, type: boolean): boolean {
  const [from, to] = [top(path), top(target)]
  if (from in roots) return ['*', to, ...(type ? [] : [`values:${to}`])].every(name => !roots[from].not.includes(name))
  if (from === to || to === 'common' || to === 'errors.ts') return true
  const rules = mayImport[from] ?? []
  return rules.includes(to) || (type && (rules.includes(`types:${to}`) || (rules.includes('types:*') && to !== 'testing')))
}

function show(file: SourceFile) {
  return ({ target, type }: Import) => `${file.path} imports ${type ? 'types of ' : ''}${target}`
}
