import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { busRate } from '../bus-run.js'
import type { Work } from '../contest.js'
import { home } from '../peers/millrace.js'
import { millraceBus, readBatches, sendBatches } from '../peers/millrace-bus.js'
import type { Setting } from '../setting.js'
import { median } from '../statistics.js'

const run = promisify(execFile)

const open = `const cluster = await Cluster.open()
  const consumer = cluster.consumer({ groupId: 'g', topics: ['t'], autoOffsetReset: 'earliest' })
  await cluster.producer().send('t', { key: 'k', value: 'v' })
  for await (const record of consumer) break`

/** A whole process from its start to its end, and what it occupies once it has come to rest. */
async function startUp(script: string, setting: Setting) {
  const times: number[] = []
  let memory = 0
  for (let time = 0; time < Math.max(1, 10 * setting.scale); time++) {
    const started = performance.now()
    const { stdout } = await run(process.execPath, [
      '--expose-gc',
      '--input-type=module',
      '-e',
      `${script}; console.log(performance.now()); gc(); console.log(process.memoryUsage().rss / 2 ** 20); process.exit(0)`
    ])
    times.push(performance.now() - started)
    memory = Number(stdout.split('\n')[1])
  }
  return { start: median(times), memory }
}

async function cpu(setting: Setting) {
  const { user, system } = process.cpuUsage()
  const records = 1_000_000
  await busRate(millraceBus(sendBatches, readBatches), setting, { records })
  const used = process.cpuUsage({ user, system })
  return { cpu: (used.user + used.system) / 1e6 / (setting.count(records) / 1e6) }
}

async function packed() {
  const folder = fileURLToPath(new URL('../../../../../', import.meta.url))
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'], { cwd: folder })
  const [{ size, unpackedSize }] = Object.values(JSON.parse(stdout)) as { size: number; unpackedSize: number }[]
  return { packed: size / 1024, unpacked: unpackedSize / 1024 }
}

const library = JSON.stringify(new URL('index.js', home).href)

export const cost: Work = {
  name: 'cost',
  title: 'What it costs',
  about:
    'From the start of a process to its end; resident memory at rest; CPU seconds for a million records of 100 bytes, sent and read; the package as npm packs it.',
  metrics: [
    { name: 'start', title: 'start to end', unit: 'ms', better: 'less' },
    { name: 'memory', title: 'memory at rest', unit: 'MiB', better: 'less' },
    { name: 'cpu', title: 'CPU for a million records', unit: 's', better: 'less' },
    { name: 'packed', title: 'packed', unit: 'KiB', better: 'less' },
    { name: 'unpacked', title: 'unpacked', unit: 'KiB', better: 'less' }
  ],
  contestants: [
    { name: 'an empty Node process', role: 'floor', warmsUp: false, run: setting => startUp('', setting) },
    { name: 'millrace: import', role: 'us', warmsUp: false, run: setting => startUp(`await import(${library})`, setting) },
    {
      name: 'millrace: open, send and read one record',
      role: 'us',
      run: setting => startUp(`const { Cluster } = await import(${library}); ${open}`, setting)
    },
    { name: 'millrace: sendBatch → batches', role: 'us', run: cpu },
    { name: 'millrace: the package', role: 'us', warmsUp: false, run: packed }
  ],
  chart: null
}
