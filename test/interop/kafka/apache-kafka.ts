import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../../free-port.js'

const folder = fileURLToPath(new URL('.', import.meta.url))
export const jars: string = join(folder, 'lib')
const run = promisify(execFile)

/** Why Apache Kafka cannot be had here, or undefined when it can; fetches it on first use. */
export async function missingKafka(): Promise<string | undefined> {
  if (existsSync(join(jars, 'kafka-tools-4.3.0.jar'))) return undefined
  try {
    await run('java', ['-version'])
    await run('mvn', ['-q', '-B', '-f', join(folder, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`])
    return undefined
  } catch (error) {
    return `Apache Kafka's tools need Java and Maven: ${(error as Error).message.split('\n')[0]}`
  }
}

/** Runs one of Kafka's command line tools by its class name and resolves with what it prints. */
export function kafkaTool(mainClass: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('java', ['-Xmx256m', '-cp', `${jars}/*`, mainClass, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    let complaints = ''
    child.stdout.on('data', chunk => (output += chunk))
    child.stderr.on('data', chunk => (complaints += chunk))
    child.on('error', reject)
    child.on('close', code =>
      code === 0 ? resolve(output) : reject(new Error(`${mainClass} ended with ${code}: ${complaints || output}`))
    )
    child.stdin.end(input)
  })
}

/** `DumpLogSegments` on one file: what Kafka itself reads in it. */
export function dumpLogSegment(file: string, ...options: string[]): Promise<string> {
  return kafkaTool('org.apache.kafka.tools.DumpLogSegments', ['--files', file, ...options])
}

/** A broker of Apache Kafka in its own process, in a temporary folder, on a free port of the loopback interface. */
export interface KafkaBroker extends AsyncDisposable {
  readonly address: string
  readonly dataFolder: string
  /** Ends it in order, so that its files are complete; `start` brings it back on the same folder. */
  stop(): Promise<void>
  start(): Promise<void>
}

type Settings = Readonly<Record<string, string>>

/** The addresses of a broker that is about to start. */
interface OwnAddresses {
  readonly address: string
  readonly listeners: string
}

/** Settings for one more listener, at `secured`, where clients use one of these SASL mechanisms. */
export function securedListener({ address, listeners }: OwnAddresses, secured: string, mechanisms: readonly string[]): Settings {
  return {
    listeners: `${listeners},SECURED://${secured}`,
    'advertised.listeners': `PLAINTEXT://${address},SECURED://${secured}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_PLAINTEXT',
    'sasl.enabled.mechanisms': mechanisms.join(',')
  }
}

/**
 * `settings` go over the ones that are needed; as a function they get the broker's address and its `listeners`, to add to them. With
 * `directory`, the broker starts on the data that is there: with a quorum as its settings name it, or one that the data names.
 */
export async function startKafkaBroker(
  settings: Settings | ((own: OwnAddresses) => Settings) = {},
  directory?: { readonly path: string; readonly nodeId: number; readonly quorum: 'static' | 'dynamic' },
  formatOptions: readonly string[] = []
): Promise<KafkaBroker> {
  const home = await mkdtemp(join(tmpdir(), 'kafka-'))
  const dataFolder = directory?.path ?? join(home, 'data')
  const nodeId = directory?.nodeId ?? 1
  const [port, controllerPort] = [await freePort(), await freePort()]
  const address = `127.0.0.1:${port}`
  const listeners = `PLAINTEXT://${address},CONTROLLER://127.0.0.1:${controllerPort}`
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': String(nodeId),
    listeners,
    'advertised.listeners': `PLAINTEXT://${address}`,
    'controller.listener.names': 'CONTROLLER',
    ...(directory?.quorum === 'dynamic'
      ? { 'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}` }
      : { 'controller.quorum.voters': `${nodeId}@127.0.0.1:${controllerPort}` }),
    'log.dirs': dataFolder,
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    ...(typeof settings === 'function' ? settings({ address, listeners }) : settings)
  }
  const config = join(home, 'server.properties')
  await writeFile(
    config,
    Object.entries(properties)
      .map(entry => entry.join('='))
      .join('\n')
  )
  if (!directory) await kafkaTool('kafka.tools.StorageTool', ['format', '-t', '4L6g3nShT-eMCtK--X86sw', '-c', config, ...formatOptions])
  let child: ChildProcess | undefined
  const broker: KafkaBroker = {
    address,
    dataFolder,
    async start() {
      child = spawn('java', ['-Xmx512m', '-cp', `${jars}/*`, 'kafka.Kafka', config], { stdio: 'ignore' })
      await kafkaTool('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', address, '--list'])
    },
    async stop() {
      if (!child) return
      const ended = once(child, 'close')
      child.kill('SIGTERM')
      await ended
      child = undefined
    },
    async [Symbol.asyncDispose]() {
      await broker.stop()
      await rm(home, { recursive: true, force: true })
    }
  }
  await broker.start()
  return broker
}
