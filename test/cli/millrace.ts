import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { run } from '../../src/cli/run.js'
import { Cluster } from '../../src/cluster.js'
import { Log } from '../../src/log/log.js'
import type { LogOptions } from '../../src/log/log-options.js'
import { RecordBatch, type RecordBatchOptions } from '../../src/record/record-batch.js'
import { fileStorage } from '../../src/storage/file/file-storage.js'

const tsx = import.meta.resolve('tsx')
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

/** `millrace …` in a process of its own, while it runs. */
export class Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly ended: Promise<Ended>
  #output = ''
  #errors = ''

  constructor(args: readonly string[], folder?: string) {
    const { VITEST: _, NODE_OPTIONS: __, ...env } = process.env
    this.child = spawn(process.execPath, ['--import', tsx, main, ...args], { stdio: ['pipe', 'pipe', 'pipe'], env, cwd: folder })
    this.child.stdout.setEncoding('utf8').on('data', text => (this.#output += text))
    this.child.stderr.setEncoding('utf8').on('data', text => (this.#errors += text))
    this.ended = once(this.child, 'close').then(([code]) => ({ code, output: this.#output, errors: this.#errors }))
  }

  /** Resolves once it has printed what is looked for. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#output)
      if (found) return found
      const ended = await Promise.race([once(this.child.stdout, 'data').then(() => undefined), this.ended])
      if (ended && !pattern.test(ended.output)) throw new Error(`It ended without printing ${pattern}: ${JSON.stringify(ended)}`)
    }
  }
}

/** Does what `millrace …` would do, in this process. */
export async function millraceHere(...args: string[]): Promise<Ended> {
  let [output, errors] = ['', '']
  const collect = (add: (text: string) => void) =>
    new Writable({
      write(chunk, _, done) {
        add(String(chunk))
        done()
      }
    })
  const stdout = collect(text => (output += text))
  const stderr = collect(text => (errors += text))
  const code = await run(args, { stdout, stderr, signal: new AbortController().signal })
  return { code, output, errors }
}

/** Runs `millrace …` to its end, in `folder` if need be. */
export function millrace(args: readonly string[], input = '', folder?: string): Promise<Ended> {
  const running = new Running(args, folder)
  running.child.stdin.on('error', () => {}).end(input)
  return running.ended
}

/** A folder that is gone after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Writes a partition's log alone: `batches` batches of `size` records. Returns its folder. */
export async function writeLog(
  directory: string,
  { name = 'orders-0', batches = 40, size = 5, options = {} as LogOptions, batch = {} as RecordBatchOptions } = {}
): Promise<string> {
  const storage = fileStorage(directory)
  const log = await Log.open(storage, name, { segmentBytes: 4096, indexIntervalBytes: 200, retentionMs: -1, ...options })
  for (let i = 0; i < batches; i++) {
    const records = Array.from({ length: size }, (_, n) => ({
      timestamp: 1_700_000_000_000 + i * 1000 + n,
      key: `key ${n}`,
      value: `value ${i * size + n}`,
      headers: n === 0 ? [{ key: 'h', value: 'x' }] : []
    }))
    await log.append(RecordBatch.of(records, batch).bytes)
  }
  await log.close()
  await storage.close()
  return join(directory, name)
}

/** Writes a whole data directory: 300 records of topic `orders` in 3 partitions, of which the group `billing` has read 40. */
export async function writeCluster(directory: string): Promise<void> {
  await using cluster = await Cluster.open({ storage: fileStorage(directory) })
  await cluster.admin().createTopic({ name: 'orders', partitions: 3 })
  await using producer = cluster.producer()
  for (let i = 0; i < 30; i++) {
    await producer.sendBatch(
      'orders',
      Array.from({ length: 10 }, (_, n) => ({ partition: i % 3, key: `key ${n}`, value: `value ${i * 10 + n}` }))
    )
  }
  const consumer = cluster.consumer({ groupId: 'billing', topics: ['orders'], autoCommit: false })
  await consumer.start()
  await consumer.commit([{ topic: 'orders', partition: 1, offset: 40 }])
  await consumer.close()
}
