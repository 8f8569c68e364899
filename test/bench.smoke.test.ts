import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const start = fileURLToPath(new URL('bench/start.mjs', import.meta.url))
const library = fileURLToPath(new URL('../dist/index.js', import.meta.url))

describe('the benchmark', () => {
  it.skipIf(!existsSync(library))('runs, with a few records of every work', { timeout: 120_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [start, '--smoke'], { env: { ...process.env, NODE_OPTIONS: '' } })
    expect(stdout).toContain('Event bus')
    expect(stdout).toContain('What it costs')
    expect(stdout).not.toMatch(/failed: /)
  })
})
