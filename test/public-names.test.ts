import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/**
 * Every public name is a promise. When one is added or goes, this test says so: look at the change, then accept it with `vitest -u`.
 * Types stand beside values, so the lists are read from the source and the values checked against what the module really exports.
 */
const root = new URL('..', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
const entries = Object.keys(manifest.exports)
  .filter(subpath => subpath !== './package.json')
  .map(subpath => ({ subpath, source: new URL(sourceOf(manifest.exports[subpath].default), root) }))

describe.each(entries.filter(({ source }) => existsSync(source)))('the public names of $subpath', ({ subpath, source }) => {
  const names = exportsOf(readFileSync(source, 'utf8'))

  it('are the ones we have agreed to', async () => {
    const snapshot = `public-names/${subpath === '.' ? 'index' : subpath.slice(2).replaceAll('/', '-')}.txt`
    await expect(`${names.join('\n')}\n`).toMatchFileSnapshot(snapshot)
  })

  it('are what the module exports', async () => {
    const values = names.filter(name => !name.startsWith('type ')).sort()
    expect(Object.keys(await import(fileURLToPath(source))).sort()).toEqual(values)
  })
})

it('every subpath of the package has its source', () => {
  expect(entries.filter(({ source }) => !existsSync(source)).map(({ subpath }) => subpath)).toEqual([])
})

function sourceOf(built: string): string {
  return built.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')
}

/** The names in the export statements of an index file, types marked as such, sorted. */
function exportsOf(code: string): string[] {
  const names: string[] = []
  const bare = code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  for (const [, allTypes, list] of bare.matchAll(/^export\s+(type\s+)?\{([^}]*)\}/gm)) {
    for (const item of list.split(',').map(item => item.trim())) {
      if (!item) continue
      const [, type, name] = /^(type\s+)?(?:\S+\s+as\s+)?(\S+)$/.exec(item)!
      names.push(allTypes || type ? `type ${name}` : name)
    }
  }
  for (const [, kind, name] of bare.matchAll(
    /^export\s+(?:declare\s+|abstract\s+|async\s+)*(class|function\*?|const|let|interface|type)\s+(\w+)/gm
  )) {
    names.push(kind === 'interface' || kind === 'type' ? `type ${name}` : name)
  }
  return names.sort((a, b) => (a.replace('type ', '') < b.replace('type ', '') ? -1 : 1))
}
