import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One row of the matrix: a way to load the package. `run` resolves with the output, in which `ok` stands. */

const esm = `import * as millrace from 'millrace'
import * as file from 'millrace/file'
import * as wire from 'millrace/wire'
import { scenario } from './scenario.js'
`
const cjs = `const millrace = require('millrace')
const file = require('millrace/file')
const wire = require('millrace/wire')
`
const call = `scenario({ millrace, file, wire, folder: './data' })`
const print = `${call}.then(outcome => { console.log(outcome); process.exit(0) }, error => { console.error(error); process.exit(1) })\n`
const inTest = `test('the scenario runs', async () => { expect(await ${call}).toBe('ok') })\n`

/** The scenario as CommonJS, for those that load nothing else. */
function commonjsScenario({ folder, write }) {
  const code = readFileSync(join(folder, 'scenario.js'), 'utf8').replace('export async function', 'exports.scenario = async function')
  write('scenario.cjs', code)
}

function nodes() {
  return ['20.19', '22', '24', '26'].map(version => ({
    group: 'Node',
    name: `Node ${version}, import and require`,
    isQuick: version === '20.19' || version === '26',
    async run(row) {
      commonjsScenario(row)
      row.write('import.mjs', esm + print)
      row.write('require.cjs', `${cjs}const { scenario } = require('./scenario.cjs')\n${print}`)
      row.write(
        'both.mjs',
        `import { createRequire } from 'node:module'
         import * as imported from 'millrace'
         const required = createRequire(import.meta.url)('millrace')
         if (imported.Cluster !== required.Cluster || imported.KafkaError !== required.KafkaError) throw new Error('two copies')
         console.log('ok')`
      )
      let output = ''
      for (const program of ['import.mjs', 'require.cjs', 'both.mjs']) output += await row.run('npx', ['-y', `node@${version}`, program])
      return output
    }
  }))
}

const jestConfig = extra => `module.exports = { testEnvironment: 'node', watchman: false, ${extra} }\n`
const jest = (row, env = {}) =>
  row.tool('jest/bin/jest.js', ['--ci', '--config', 'jest.config.cjs'], { env }).then(output => `${output} ok`)

const runners = [
  {
    group: 'Test runners',
    name: 'Jest 30, CommonJS (its default)',
    isQuick: true,
    run(row) {
      commonjsScenario(row)
      row.write('package.json', '{ "private": true }')
      row.write('jest.config.cjs', jestConfig(''))
      row.write('a.test.js', `${cjs}const { scenario } = require('./scenario.cjs')\n${inTest}`)
      return jest(row)
    }
  },
  {
    group: 'Test runners',
    name: 'Jest 30, ES modules',
    isQuick: true,
    note: '`--experimental-vm-modules`, as Jest asks for',
    run(row) {
      row.write('jest.config.cjs', jestConfig('transform: {}'))
      row.write('a.test.js', `import { expect, test } from '@jest/globals'\n${esm}${inTest}`)
      return jest(row, { NODE_OPTIONS: '--experimental-vm-modules' })
    }
  },
  {
    group: 'Test runners',
    name: 'Jest 30 with ts-jest, CommonJS',
    isQuick: true,
    run(row) {
      commonjsScenario(row)
      row.write('package.json', '{ "private": true }')
      row.write('jest.config.cjs', jestConfig(`preset: 'ts-jest'`))
      row.write(
        'tsconfig.json',
        JSON.stringify({
          compilerOptions: {
            module: 'commonjs',
            target: 'es2022',
            strict: true,
            esModuleInterop: true,
            ignoreDeprecations: '6.0',
            moduleResolution: 'node10',
            types: ['node', 'jest']
          }
        })
      )
      row.write(
        'a.test.ts',
        `import * as millrace from 'millrace'
         import * as file from 'millrace/file'
         import * as wire from 'millrace/wire'
         const { scenario } = require('./scenario.cjs')
         ${inTest}`
      )
      return jest(row)
    }
  },
  {
    group: 'Test runners',
    name: 'Vitest 4',
    isQuick: false,
    run(row) {
      row.write('a.test.js', `import { expect, test } from 'vitest'\n${esm}${inTest}`)
      return row.tool('vitest/vitest.mjs', ['run', '--root', row.folder]).then(output => `${output} ok`)
    }
  },
  {
    group: 'Test runners',
    name: 'node:test',
    isQuick: false,
    run(row) {
      row.write(
        'a.test.js',
        `import assert from 'node:assert'\nimport test from 'node:test'\n${esm}test('the scenario runs', async () => assert.equal(await ${call}, 'ok'))\n`
      )
      return row.run(process.execPath, ['--test', 'a.test.js']).then(output => `${output} ok`)
    }
  },
  {
    group: 'Test runners',
    name: 'Mocha',
    isQuick: false,
    run(row) {
      row.write(
        'a.test.js',
        `import assert from 'node:assert'\n${esm}it('runs the scenario', async () => assert.equal(await ${call}, 'ok'))\n`
      )
      return row.tool('mocha/bin/mocha.js', ['a.test.js', '--timeout', '20000']).then(output => `${output} ok`)
    }
  }
]

const resolutions = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  'nodenext, a CommonJS file': { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
  node10: { module: 'commonjs', moduleResolution: 'node10' }
}

function compilers() {
  const versions = {
    5.2: 'typescript-5.2',
    5.4: 'typescript-5.4',
    5.5: 'typescript-5.5',
    5.6: 'typescript-5.6',
    5.9: 'typescript-5.9',
    6: 'typescript',
    7: 'typescript-7'
  }
  return Object.keys(versions)
    .sort()
    .flatMap(version =>
      [true, false].map(withNodeTypes => ({
        group: 'TypeScript, strict, without skipLibCheck',
        name: `TypeScript ${version}, ${withNodeTypes ? 'with' : 'without'} @types/node`,
        isQuick: !withNodeTypes && ['5.2', '5.5', '7'].includes(version),
        withNodeTypes,
        note: Object.keys(resolutions)
          .filter(name => isKnown(version, name))
          .join('; '),
        async run(row) {
          row.write('use.cts', readFileSync(join(row.folder, 'use.ts'), 'utf8'))
          for (const name of Object.keys(resolutions).filter(name => isKnown(version, name))) {
            const deprecated = name === 'node10' && version === '6' ? { ignoreDeprecations: '6.0' } : {}
            const types = withNodeTypes ? ['node'] : []
            const compilerOptions = {
              ...resolutions[name],
              ...deprecated,
              types,
              target: 'es2022',
              strict: true,
              noEmit: true,
              skipLibCheck: false
            }
            const files = [name.includes('CommonJS') ? 'use.cts' : 'use.ts']
            row.write('tsconfig.json', JSON.stringify({ compilerOptions, files }))
            await row.tool(`${versions[version]}/bin/tsc`, ['-p', 'tsconfig.json'])
          }
          return 'ok'
        }
      }))
    )
}

/** TypeScript 7 has no `node10` any more. */
function isKnown(version, resolution) {
  return !(version === '7' && resolution === 'node10')
}

const bundlers = ['esm', 'cjs'].flatMap(format => {
  const output = `out.${format === 'esm' ? 'mjs' : 'cjs'}`
  const runs = row => row.run(process.execPath, [output])
  return [
    {
      group: 'Bundlers, for Node',
      name: `esbuild, ${format}`,
      isQuick: true,
      async run(row) {
        row.write('main.js', esm + print)
        await row.run(row.bin('esbuild'), ['main.js', '--bundle', '--platform=node', `--format=${format}`, `--outfile=${output}`])
        return runs(row)
      }
    },
    {
      group: 'Bundlers, for Node',
      name: `Rollup 4, ${format}`,
      isQuick: false,
      async run(row) {
        row.write('main.js', esm + print)
        row.write(
          'rollup.config.mjs',
          `import commonjs from '@rollup/plugin-commonjs'
           import { nodeResolve } from '@rollup/plugin-node-resolve'
           export default { input: 'main.js', external: /^node:/, plugins: [nodeResolve({ preferBuiltins: true }), commonjs()], output: { file: '${output}', format: '${format}', inlineDynamicImports: true } }`
        )
        await row.tool('rollup/dist/bin/rollup', ['-c', 'rollup.config.mjs'])
        return runs(row)
      }
    },
    {
      group: 'Bundlers, for Node',
      name: `Vite 7, library, ${format}`,
      isQuick: false,
      async run(row) {
        row.write('main.js', esm + print)
        row.write(
          'vite.config.mjs',
          `export default { build: { ssr: 'main.js', outDir: '.', emptyOutDir: false, rollupOptions: { output: { format: '${format}', entryFileNames: '${output}', inlineDynamicImports: true } } }, ssr: { noExternal: true } }`
        )
        await row.tool('vite/bin/vite.js', ['build'])
        return runs(row)
      }
    },
    {
      group: 'Bundlers, for Node',
      name: `webpack 5, ${format}`,
      isQuick: false,
      async run(row) {
        row.write('main.js', esm + print)
        const library =
          format === 'esm'
            ? `experiments: { outputModule: true }, output: { path: process.cwd(), filename: '${output}', module: true, library: { type: 'module' } }`
            : `output: { path: process.cwd(), filename: '${output}', library: { type: 'commonjs2' } }`
        row.write(
          'webpack.config.mjs',
          `export default { mode: 'production', target: 'node20', entry: './main.js', optimization: { minimize: true }, ${library} }`
        )
        await row.tool('webpack/bin/webpack.js', ['-c', 'webpack.config.mjs'])
        return runs(row)
      }
    }
  ]
})

const others = [
  {
    group: 'Other runtimes',
    name: 'Bun',
    isQuick: false,
    run(row) {
      row.write('main.js', esm + print)
      return row.run(row.bin('bun'), ['run', 'main.js'])
    }
  },
  {
    group: 'Other runtimes',
    name: 'Deno',
    isQuick: false,
    run(row) {
      row.write('main.js', esm + print)
      return row.run(row.bin('deno'), ['run', '-A', 'main.js'])
    }
  },
  {
    group: 'Other runtimes',
    name: 'A browser tab (Chromium), bundled by esbuild',
    isQuick: false,
    note: 'in memory only: a page has no files and no sockets',
    async run(row) {
      row.write(
        'main.js',
        `import * as millrace from 'millrace'\nimport { scenario } from './scenario.js'\nscenario({ millrace }).then(outcome => { document.title = outcome }, error => { document.title = String(error.stack) })\n`
      )
      await row.run(row.bin('esbuild'), ['main.js', '--bundle', '--platform=browser', '--format=esm', '--outfile=out.js'])
      const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(path => existsSync(path))
      if (!chromium) throw Object.assign(new Error('There is no Chromium'), { isAbsent: true })
      row.write('page.mjs', browserProgram(chromium))
      return row.run(process.execPath, ['page.mjs'])
    }
  }
]

function browserProgram(chromium) {
  return `import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
const server = createServer((request, response) => {
  const isCode = request.url === '/out.js'
  response.setHeader('content-type', isCode ? 'text/javascript' : 'text/html')
  response.end(isCode ? readFileSync('out.js') : '<!doctype html><title>running</title><script type="module" src="/out.js"></script>')
})
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const browser = await chromium.launch({ executablePath: '${chromium}', args })
const tab = await browser.newPage()
await tab.goto('http://127.0.0.1:' + server.address().port)
await tab.waitForFunction(() => document.title !== 'running', undefined, { timeout: 30000 })
console.log(await tab.title())
await browser.close()
server.close()
`
}

export const rows = [...nodes(), ...runners, ...compilers(), ...bundlers, ...others]
