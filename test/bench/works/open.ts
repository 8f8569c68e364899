import { execFile } from 'node:child_process'
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Contestant, Work } from '../contest.js'
import { Cluster, fileModule } from '../peers/millrace.js'
import type { Setting } from '../setting.js'

const run = promisify(execFile)
const mebibyte = 2 ** 20
const writer = fileURLToPath(new URL('../peers/directory-writer.js', import.meta.url))

interface Directory {
  readonly folder: string
  /** Bytes of its logs. */
  readonly size: number
}

/** Has another process write a directory, which then closes it in order, or is killed. */
async function written(setting: Setting, end: 'closed' | 'killed', segmentBytes: number): Promise<Directory> {
  const folder = setting.folder()
  const size = setting.amount(1024 * mebibyte, mebibyte)
  const child = run(process.execPath, [writer, folder, String(size), String(segmentBytes), end])
  const { stdout } = await child.catch(error => {
    if (end === 'killed' && error.signal === 'SIGKILL') return error
    throw error
  })
  return { folder, size: Number(stdout) }
}

/** From `Cluster.open` until it can be written to and read. */
async function opened({ folder, size }: Directory) {
  const { fileStorage } = await fileModule()
  const storage = fileStorage(folder)
  const opening = performance.now()
  const cluster = await Cluster.open({ storage })
  const elapsed = performance.now() - opening
  const found = cluster.topic('log').partitions.reduce((sum, { log }) => sum + log.sizeInBytes, 0)
  await cluster.close()
  if (found !== size) throw new Error(`${found} of ${size} bytes are there`)
  return { open: elapsed, rate: size / elapsed / 1000 }
}

/** The least that looking at each byte can take. */
function read({ folder }: Directory) {
  const block = Buffer.alloc(mebibyte)
  let size = 0
  const reading = performance.now()
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    if (!name.endsWith('.log')) continue
    const file = openSync(join(folder, name), 'r')
    for (let got: number; (got = readSync(file, block)) > 0; ) size += got
    closeSync(file)
  }
  const elapsed = performance.now() - reading
  return { open: elapsed, rate: size / elapsed / 1000 }
}

const ours = (name: string, end: 'closed' | 'killed', segmentBytes: number): Contestant => ({
  name: `millrace: ${name}`,
  role: 'us',
  warmsUp: false,
  run: async setting => opened(await written(setting, end, segmentBytes))
})

export const open: Work = {
  name: 'open',
  title: 'Opening a gigabyte',
  about:
    'A directory of 1 GiB in 4 partitions, records of 1000 bytes, written by a process that closed it or was killed; opened by another that has opened none before.',
  metrics: [
    { name: 'open', title: 'open', unit: 'ms', better: 'less' },
    { name: 'rate', title: 'that is', unit: 'MB/s', better: 'more' }
  ],
  contestants: [
    {
      name: 'raw reads of 1 MiB',
      role: 'floor',
      warmsUp: false,
      run: async setting => read(await written(setting, 'closed', 1024 * mebibyte))
    },
    ours('left by a crash', 'killed', 1024 * mebibyte),
    ours('closed', 'closed', 1024 * mebibyte),
    ours('closed, segments of 1 MiB', 'closed', mebibyte)
  ],
  goals: [
    { row: 'millrace: closed', metric: 'open', atMost: 50 },
    { row: 'millrace: left by a crash', metric: 'rate', atLeast: 500 }
  ]
}
