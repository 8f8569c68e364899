import { execFileSync, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Missing } from '../contest.js'
import { endsWithUs, freePort, startServer } from '../servers.js'
import type { Setting } from '../setting.js'

/** Starts a server that speaks Kafka's protocol, in a process of its own, and tells its address. It lasts as long as this process. */
export type KafkaServer = (setting: Setting) => Promise<string>

let started: Promise<string> | undefined

/** A millrace that listens, with its log on disk. */
export const listeningMillrace: KafkaServer = setting => {
  started ??= (async () => {
    const child = fork(fileURLToPath(new URL('./listening-millrace.js', import.meta.url)), [setting.lastingFolder()])
    endsWithUs(child)
    const [address] = (await once(child, 'message')) as [string]
    return address
  })()
  return started
}

const interop = fileURLToPath(new URL('../../../../interop/kafka/', import.meta.url))
const jars = join(interop, 'lib')

/** A broker of Apache Kafka, with its own defaults but for replication. */
export const apacheKafka: KafkaServer = setting => {
  started ??= startApacheKafka(setting.lastingFolder())
  return started
}

async function startApacheKafka(folder: string): Promise<string> {
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
  await startServer('java', () => ['-Xmx1g', '-cp', `${jars}/*`, 'kafka.Kafka', config], { port, waitMs: 60_000 })
  return `127.0.0.1:${port}`
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
