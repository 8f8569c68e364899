import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Check, checksIn, type ForeignClient } from './client-round.js'
import { missingCommand, runCommand } from './run-command.js'

const sources = fileURLToPath(new URL('./java/', import.meta.url))
const fetched = fileURLToPath(new URL('../../.tmp/', import.meta.url))

/** The class path of the jars that the pom.xml in a folder names. */
export function classPath(folder: string): string {
  return join(fetched, `clients-java-${folder}`, '*')
}

/** Fetches the jars of a folder on first use. Returns the reason where they cannot be had here. */
export async function missingJars(folder: string): Promise<string | undefined> {
  const pom = join(sources, folder, 'pom.xml')
  const target = join(fetched, `clients-java-${folder}`)
  const noJava = await missingCommand('java', ['-version'])
  if (noJava !== undefined || existsSync(target)) return noJava
  const noJars = await missingCommand('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${target}`])
  if (noJars !== undefined) await rm(target, { recursive: true, force: true })
  return noJars
}

/** The version of the first dependency of a folder's pom.xml. */
export async function versionOf(folder: string): Promise<string> {
  const pom = await readFile(join(sources, folder, 'pom.xml'), 'utf8')
  return /<dependency>[\s\S]*?<version>(.*)<\/version>/.exec(pom)?.[1] ?? 'unknown'
}

/** A round that a program in Java makes, which is given the address and a folder for its files. */
function jvmProgram(name: string, folder: string, program: string, options: readonly string[] = []): ForeignClient {
  return {
    name,
    missing: () => missingJars(folder),
    version: () => versionOf(folder),
    round: address => inFolder(async state => checksIn(await runJava(folder, program, [address, state], options)))
  }
}

/** Options of Java that all programs get. */
export const javaOptions: readonly string[] = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']

/** Compiles the program into the folder before it runs: Flink loads its classes by their names. */
async function runJava(
  folder: string,
  program: string,
  args: readonly [address: string, state: string],
  options: readonly string[]
): Promise<string> {
  const [, state] = args
  await runCommand('javac', ['-nowarn', '-d', state, '-cp', classPath(folder), join(sources, folder, `${program}.java`)])
  const classes = [state, classPath(folder)].join(delimiter)
  return runCommand('java', [...javaOptions, ...options, '-cp', classes, program, ...args], { timeoutMs: 280_000 })
}

/** Gives a temporary folder to `use`, and removes it. */
export async function inFolder(use: (folder: string) => Promise<Check[]>): Promise<Check[]> {
  const folder = await mkdtemp(join(tmpdir(), 'platform-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export const streams: ForeignClient = jvmProgram('Kafka Streams (classic protocol)', 'kafka', 'StreamsRound')
export const flink: ForeignClient = jvmProgram('Flink’s connector for Kafka', 'flink', 'FlinkRound', opened('util', 'lang'))
export const spark: ForeignClient = jvmProgram(
  'Spark Structured Streaming',
  'spark',
  'SparkRound',
  opened('lang', 'lang.invoke', 'lang.reflect', 'io', 'net', 'nio', 'util', 'util.concurrent', 'util.concurrent.atomic').concat(
    ['jdk.internal.ref', 'sun.nio.ch', 'sun.nio.cs', 'sun.security.action', 'sun.util.calendar'].map(open)
  )
)

function opened(...packages: string[]): string[] {
  return packages.map(name => open(`java.${name}`))
}

/** An option of Java that lets a library in by reflection: Flink and Spark need it since Java 17. */
function open(packageName: string): string {
  return `--add-opens=java.base/${packageName}=ALL-UNNAMED`
}
