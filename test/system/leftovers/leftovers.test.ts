import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('what is closed leaves no timer, socket, file, listener or object behind, and holds no bytes of records; the process then ends by itself', async () => {
  const { VITEST: _, NODE_OPTIONS: __, ...inherited } = process.env
  // With its cache on disk, tsx itself has a folder open for a while.
  const env = { ...inherited, TSX_DISABLE_CACHE: '1' }
  const script = fileURLToPath(new URL('leftovers.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script], { stdio: ['ignore', 'pipe', 'pipe'], env })
  let [output, errors] = ['', '']
  child.stdout.on('data', text => (output += text))
  child.stderr.on('data', text => (errors += text))
  const [code] = await once(child, 'close')
  const lives = output
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { readonly name: string; readonly left: readonly string[] })
  expect({ code, left: lives.filter(({ left }) => left.length > 0), errors: code === 0 ? '' : errors }).toEqual({
    code: 0,
    left: [],
    errors: ''
  })
  expect(lives.length).toBeGreaterThan(15)
}, 120_000)
