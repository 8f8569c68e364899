import { execFileSync, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../free-port.js'
import { Missing } from '../contest.js'
import { startServer } from '../servers.js'
import type { Setting } from '../setting.js'
import { wireModule } from './millrace.js'

/** A server that speaks Kafka's protocol, in a process of its own, which lasts as long as this one. */
export interface RunningServer {
  readonly address: string
  /** From the start of its process to its first answer. */
  readonly readyMs: number
  /** The most memory that its process ever had; NaN where the system does not tell. */
  peakMiB(): number
}

export type KafkaServer = (setting: Setting) => Promise<RunningServer>

let started: Promise<RunningServer> | undefined

/** A millrace that listens, with its log on disk. */
export const millraceOnDisk: KafkaServer = setting => (started ??= startMillrace([setting.lastingFolder()]))

/** A millrace that listens, with its log in memory. */
export const millraceInMemory: KafkaServer = () => (started ??= startMillrace([]))

/** A broker of Apache Kafka, with its own defaults but for replication. */
export const apacheKafka: KafkaServer = setting => (started ??= startApacheKafka(setting.lastingFolder()))

async function startMillrace(args: readonly string[]): Promise<RunningServer> {
  const from = performance.now()
  // It ends when its channel to this process does, in order, so that it can write its profile when it is to.
  const child = fork(fileURLToPath(new URL('./listening-millrace.js', import.meta.url)), args)
  const [address] = (await once(child, 'message')) as [string]
  await firstAnswer(address)
  return { address, readyMs: performance.now() - from, peakMiB: () => peakOf(child.pid) }
}

/** Waits until a server answers; one that takes connections may not yet. */
async function firstAnswer(address: string): Promise<void> {
  const { connect } = await wireModule()
  const giveUpAt = performance.now() + 60_000
  for (;;) {
    try {
      return await (await connect({ brokers: [address] })).close()
    } catch (error) {
      if (performance.now() > giveUpAt) throw error
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

function peakOf(pid: number | undefined): number {
  const status = `/proc/${pid}/status`
  const kibibytes = existsSync(status) && /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(status, 'utf8'))
  return kibibytes ? Number(kibibytes[1]) / 1024 : Number.NaN
}

const interop = fileURLToPath(new URL('../../../../interop/kafka/', import.meta.url))
const jars = join(interop, 'lib')

/** As Kafka's own start script has it. */
const heap = ['-Xmx1G', '-Xms1G', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35']

async function startApacheKafka(folder: string): Promise<RunningServer> {
  fetchKafka()
  const [port, controllerPort] = [await freePort(), await freePort()]
  const config = join(folder, 'server.properties')
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0'
  }
  writeFileSync(
    config,
    Object.entries(properties)
      .map(entry => entry.join('='))
      .join('\n')
  )
  execFileSync('java', ['-cp', `${jars}/*`, 'kafka.tools.StorageTool', 'format', '-t', '4L6g3nShT-eMCtK--X86sw', '-c', config], {
    stdio: 'ignore'
  })
  const from = performance.now()
  const { pid } = await startServer('java', () => [...heap, '-cp', `${jars}/*`, 'kafka.Kafka', config], { port, waitMs: 60_000 })
  const address = `127.0.0.1:${port}`
  await firstAnswer(address)
  return { address, readyMs: performance.now() - from, peakMiB: () => peakOf(pid) }
}

function fetchKafka(): void {
  if (existsSync(jars)) return
  const { error, status } = spawnSync(
    'mvn',
    ['-q', '-B', '-f', join(interop, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`],
    { stdio: 'ignore' }
  )
  if (error || status !== 0) throw new Missing('Apache Kafka takes Java and Maven')
}
