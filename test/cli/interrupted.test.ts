import { truncateSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { run } from '../../src/cli/run.js'
import { deferred } from '../../src/common/deferred.js'
import { Running, temporaryFolder, writeLog } from './millrace.js'

const folder = temporaryFolder()
let partition: string

beforeAll(async () => {
  partition = await writeLog(folder)
  // A log that ends in a terabyte of zeros takes a quarter of an hour to read.
  await writeLog(folder, { name: 'sparse-0', batches: 1 })
  truncateSync(join(folder, 'sparse-0', '00000000000000000000.log'), 1e12)
})

/** Runs a command and interrupts it, by default once it reads the log. */
async function interrupted(args: readonly string[], reason: string, when = () => new Promise(setImmediate)): Promise<number> {
  const controller = new AbortController()
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const ended = run(args, { stdout: nowhere, stderr: nowhere, signal: controller.signal })
  await when()
  controller.abort(reason)
  return ended
}

/** A port that takes connections and says nothing. */
async function silentPort(): Promise<{ address: string; connected: () => Promise<void> }> {
  const server = createServer()
  const connected = new Promise<void>(resolve => server.on('connection', () => resolve()))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  onTestFinished(() => void server.close())
  server.on('connection', socket => onTestFinished(() => void socket.destroy()))
  return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, connected: () => connected }
}

describe('a command that is interrupted', () => {
  it.each([
    ['verify', folder],
    ['dump', join(folder, 'sparse-0')],
    ['tail', folder, 'sparse'],
    ['topics', folder]
  ])('ends while it reads: %s', async (...args) => {
    expect(await interrupted(args, 'SIGINT')).toBe(130)
    expect(await interrupted(args, 'SIGTERM')).toBe(143)
  })

  it('that follows a log ends well, as that is how it ends', async () => {
    expect(await interrupted(['tail', folder, 'sparse', '--follow'], 'SIGINT')).toBe(0)
  })

  it.each(['consume orders', 'produce orders', 'topics', 'groups'])('ends while no broker answers: %s', async words => {
    const { address, connected } = await silentPort()
    expect(await interrupted([...words.split(' '), '--broker', address], 'SIGINT', connected)).toBe(130)
  })

  it('ends while nobody reads what it writes', async () => {
    const controller = new AbortController()
    const written = deferred()
    const stuck = new Writable({ highWaterMark: 1, write: () => written.resolve() })
    const ended = run(['dump', partition, '--records'], { stdout: stuck, stderr: stuck, signal: controller.signal })
    await written.promise
    controller.abort('SIGINT')
    expect(await ended).toBe(130)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143]
  ] as const)('ends its process on %s', async (signal, code) => {
    const { address, connected } = await silentPort()
    const running = new Running(['consume', 'orders', '--broker', address])
    await connected()
    running.child.kill(signal)
    expect(await running.ended).toMatchObject({ code })
  })
})
