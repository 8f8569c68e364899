import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, type as systemName, totalmem } from 'node:os'

/** What figures must not be shown without: when, on what, with which versions. */
export interface Machine {
  readonly date: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  readonly versions: Readonly<Record<string, string>>
}

export function thisMachine(benchFolder: string, libraryVersion: string): Machine {
  const processors = cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: processors[0]?.model.trim() ?? 'unknown processor',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${systemName()} ${release().replace(/^(\d+\.\d+).*/, '$1')}`,
    node: process.version,
    versions: { millrace: libraryVersion, ...peerVersions(benchFolder), ...serverVersions() }
  }
}

function peerVersions(benchFolder: string): Record<string, string> {
  const { dependencies } = JSON.parse(readFileSync(`${benchFolder}/package.json`, 'utf8')) as { dependencies: Record<string, string> }
  const versions: Record<string, string> = {}
  for (const name of Object.keys(dependencies)) {
    try {
      versions[name] = JSON.parse(readFileSync(`${benchFolder}/node_modules/${name}/package.json`, 'utf8')).version
    } catch {
      // Not installed: the table says so in its row.
    }
  }
  return versions
}

function serverVersions(): Record<string, string> {
  const versions: Record<string, string> = {}
  for (const [name, command] of [
    ['Redis', 'redis-server'],
    ['NATS', 'nats-server']
  ]) {
    try {
      const said = execFileSync(command, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      versions[name] = /v=?(\d[\w.]*)/.exec(said)?.[1] ?? said.trim()
    } catch {
      // Not installed.
    }
  }
  return versions
}

/** One line for under a table. */
export function shownMachine({ date, cpu, cores, memoryGiB, system, node, versions }: Machine): string {
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `${date}; ${cores} × ${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}; ${peers.join(', ')}`
}
