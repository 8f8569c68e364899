import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** What users see first has to run as it stands: every file of examples/ and the first program of the README, on the built package. */
const root = fileURLToPath(new URL('..', import.meta.url))
const examples = readdirSync(join(root, 'examples')).filter(name => name.endsWith('.ts'))
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const folder = mkdtempSync(join(tmpdir(), 'millrace-examples-'))

/** What an example shows, as one reads it: the line that makes its point. */
const shows: Readonly<Record<string, RegExp>> = {
  'admin.ts': /visits-0: 0, visits-1: 0/,
  'durable.ts': /offset 1: bob pays 120\noffset 2: cid pays 5\n/,
  'event-bus.ts': /invoiced: 165/,
  'event-sourcing.ts': /ann has 70/,
  'flights.ts': /came to the same totals/,
  'log-as-wal.ts': /blue undefined/,
  'manual-assignment.ts': /partition 1, offset 3: line 7\npartition 1, offset 4: line 9\n$/,
  'over-the-wire.ts': /hello ann\nhello bob/,
  'pipe.ts': /999 invoices, 998000 due/,
  'rebalance-listener.ts': /all payments: 300/,
  'rejections.ts': /sum: 8\ntotal: four .*orders\/0@1/,
  'replay-from-timestamp.ts': /13:55:00/,
  'two-groups.ts': /together: 1000, auditor: 1000/,
  'typed-topics.ts': /Invalid email.*u-3: cid@example.com on plan free/s,
  'unit-test.ts': /(#|ℹ) fail 0/
}

beforeAll(() => {
  const built = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    cwd: root,
    encoding: 'utf8'
  })
  if (built.status !== 0) throw new Error(`The package could not be built:\n${built.stdout}`)
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

it.concurrent.each(examples)(
  'examples/%s runs and has nothing to complain about',
  async name => {
    expect(await run(`examples/${name}`)).toMatchObject({ code: 0, errors: '', output: expect.stringMatching(shows[name]) })
  },
  60_000
)

const papers = ['README.md', 'docs/using.md', 'docs/flow.md'].map(name => readFileSync(join(root, name), 'utf8')).join('\n')
const programs = new Set([...papers.matchAll(/^```ts\n(import .*?)^```$/gms)].map(([, program]) => program))

it.each([...programs])(
  'the programs of the README and the docs run as they stand: %#',
  async program => {
    // It has to lie within the package for `millrace` to be found.
    const path = join(root, `test/.tmp/readme-${process.pid}.ts`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, program)
    const result = await runIn(folder, path)
    rmSync(path)
    expect(result).toMatchObject({ code: 0, errors: '' })
    expect(result.output).not.toBe('')
  },
  60_000
)

describe('the main job', () => {
  const flights = (...args: string[]) => run('examples/flights.ts', ...args)

  it('shows every group all 20,000 flights, and the replay comes to the same totals', async () => {
    const { code, errors, output } = await flights()
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    for (const name of ['produced', 'group statistics', 'group copy', 'group replay'])
      expect(output).toMatch(new RegExp(`${name} +20,000 `))
    expect(output).toContain('same totals')
    const [, copy] = /JSON lines: (\S+)/.exec(output)!
    const copied = readFileSync(copy, 'utf8').trimEnd().split('\n')
    const source = readFileSync(join(root, 'node_modules/vega-datasets/data/flights-20k.json'), 'utf8')
    const flightRecords = JSON.parse(source).map((flight: unknown) => JSON.stringify(flight))
    expect(copied.sort()).toEqual(flightRecords.sort())
    rmSync(join(copy, '..'), { recursive: true })
  }, 60_000)

  it('keeps everything in a directory, where the next run finds it', async () => {
    const dir = join(folder, 'kept')
    const first = await flights('--dir', dir)
    expect(first).toMatchObject({ code: 0, errors: '', output: expect.stringMatching(/group replay +20,000 /) })
    const { code, errors, output } = await flights('--dir', dir)
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    for (const name of ['produced', 'group statistics', 'group copy']) expect(output).toMatch(new RegExp(`${name} +20,000 `))
    expect(output).toMatch(/group replay +40,000 /)
    expect(output).toContain('20,000 records are from earlier runs')
    expect(output).toContain('same totals')
  }, 60_000)

  it('counts the lines of a file by the field that is asked for', async () => {
    const path = file('visits.ndjson', ['{"page":"/","user":1}', '{"page":"/","user":2}', '{"page":"/docs","user":1}'])
    const { code, errors, output } = await flights(path, '--key', 'page', '--topic', 'visits')
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    expect(output).toContain('topic visits')
    expect(output).toMatch(/^ {2}\/ +2$/m)
    expect(output).toMatch(/^ {2}\/docs +1$/m)
    expect(output).toMatch(/group replay +3 /)
  }, 60_000)

  it('leaves out lines that it cannot use, says which and why, and still does the rest', async () => {
    const path = file('mixed.ndjson', ['{"page":"/"}', 'not json', '', '{"user":7}', '[1]', '{"page":"/docs"}'])
    const { code, errors, output } = await flights(path, '--key', 'page')
    expect(code).toBe(0)
    expect(errors).toContain(`${path}:2: not JSON`)
    expect(errors).toContain(`${path}:4: no field "page"`)
    expect(errors).toContain(`${path}:5: not a JSON object`)
    expect(output).toMatch(/group statistics +2 /)
  }, 60_000)

  it('ends with an error when nothing can be done, and says why', async () => {
    expect(await flights(join(folder, 'absent.ndjson'))).toMatchObject({
      code: 1,
      errors: expect.stringContaining('there is no such file')
    })
    expect(await flights(folder)).toMatchObject({ code: 1, errors: expect.stringContaining('this is a directory') })
    expect(await flights(file('empty.ndjson', []))).toMatchObject({ code: 1, errors: expect.stringContaining('not one record') })
    const keyless = await flights(file('keyless.ndjson', ['{"page":"/"}']), '--key', 'user')
    expect(keyless).toMatchObject({ code: 1, errors: expect.stringMatching(/:1: no field "user".*not one record/s) })
    expect(await flights('--colour', 'red')).toMatchObject({ code: 1, errors: expect.stringContaining('Usage') })
  }, 60_000)
})

function file(name: string, lines: string[]): string {
  const path = join(folder, name)
  writeFileSync(path, lines.map(line => `${line}\n`).join(''))
  return path
}

interface Ended {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

/** Runs a TypeScript file in a process of its own, against the built package. */
function run(path: string, ...args: string[]): Promise<Ended> {
  return runIn(root, path, ...args)
}

function runIn(cwd: string, path: string, ...args: string[]): Promise<Ended> {
  // Whatever vitest tells its workers through the environment is not meant for the example.
  const environment = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    TMPDIR: folder,
    TSX_TSCONFIG_PATH: join(root, 'tsconfig.build.json')
  }
  const child = spawn(process.execPath, ['--import', tsx, path, ...args], { cwd, env: environment })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', text => (output += text))
  child.stderr.setEncoding('utf8').on('data', text => (errors += text))
  return new Promise((resolve, reject) => child.on('error', reject).on('close', code => resolve({ code, output, errors })))
}
