import { expect, it } from 'vitest'
import { killRepeatedly } from './kill.js'

it('a process that is killed at any moment loses nothing that it had acknowledged', { timeout: 120_000 }, async () => {
  const seed = Math.floor(Math.random() * 1_000_000)
  console.log(`seed ${seed}; the moments of the kills are not the same again`)
  const { kills, records } = await killRepeatedly(6, seed)
  expect(kills).toBe(6)
  expect(records).toBeGreaterThan(0)
})
