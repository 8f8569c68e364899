import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { poisonByte, setPoison } from '../src/common/poison.js'

/** So many numbers of closed descriptors belong to a file of poison at a time. */
const mostDecoys = 16

/** Overwrites what is given back, and gives the numbers of closed descriptors to a file that cannot be written. Returns what ends that. */
export function poisonAll(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-poison-'))
  const path = join(folder, 'decoy')
  writeFileSync(path, new Uint8Array(64 * 1024).fill(poisonByte))
  const decoys: number[] = []
  setPoison({
    onDescriptorClosed() {
      decoys.push(openSync(path, 'r'))
      if (decoys.length > mostDecoys) closeSync(decoys.shift() as number)
    }
  })
  return () => {
    setPoison(undefined)
    for (const decoy of decoys.splice(0)) closeSync(decoy)
    rmSync(folder, { recursive: true })
  }
}

// As a setup file of `npm run poison` it stays on for all tests of a file.
if ((import.meta as { env?: { readonly MODE?: string } }).env?.MODE === 'poison') afterAll(poisonAll())
