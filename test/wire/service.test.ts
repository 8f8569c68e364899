import { expect, it } from 'vitest'
import { runService } from './service.js'

it('forty clients lose nothing while the listener is stopped and started under them', async () => {
  const { sent, received, errors } = await runService({ clients: 40, seconds: 3, restarts: 1 })
  expect(errors).toEqual([])
  expect(received).toEqual(received.map(() => sent))
  expect(sent).toBeGreaterThan(0)
}, 120_000)
