import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { type Deferred, deferred } from '../../../src/common/deferred.js'
import type { FileStorageOptions } from '../../../src/storage/file/index.js'

export type Command = { readonly id: number } & (
  | { readonly do: 'hold' | 'open'; readonly directory: string; readonly options?: FileStorageOptions }
  | { readonly do: 'send'; readonly value: string }
  | { readonly do: 'flood'; readonly label: string }
  | { readonly do: 'close' }
)

export interface Answer {
  readonly id: number
  readonly kind?: 'kernel' | 'heartbeat'
  readonly offset?: number
  readonly error?: string
  readonly code?: string
}

/** A line of its output. */
export type Told = Answer | { readonly event: string; readonly message: string } | { readonly acknowledged: string }

/** Whether processes can be given pid namespaces and host names of their own here; it takes root and `unshare`. */
export const hasContainers = spawnSync('unshare', ['-fpu', '--mount-proc', 'true']).status === 0

export interface OccupantOptions {
  /** The host name in a container of its own, with its own pid namespace. Default: this container. */
  readonly container?: string
  /** Whether its parent does not wait for its end, so that the kernel keeps it in the list of processes. */
  readonly isNeverWaitedFor?: boolean
}

/** Put together once: a process that has to compile them takes a second to start. */
let bundled: Promise<string> | undefined

/** The path of a program beside this file, as JavaScript. */
export async function programOf(name: 'child' | 'worker'): Promise<string> {
  bundled ??= bundle()
  return join(await bundled, `${name}.mjs`)
}

async function bundle(): Promise<string> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  const dir = path(`../../.tmp/owner-${process.pid}`)
  await build({
    input: { child: path('child.ts'), worker: path('worker.ts') },
    external: /^[^./]/,
    platform: 'node',
    output: { dir, entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' },
    logLevel: 'warn'
  })
  return dir
}

export async function removePrograms(): Promise<void> {
  if (bundled) rmSync(await bundled, { recursive: true, force: true })
  bundled = undefined
}

type Asked = Command extends infer C ? (C extends Command ? Omit<C, 'id'> : never) : never

/** A process that opens directories as it is told. */
export class Occupant {
  readonly #process: ChildProcess
  readonly #hasParent: boolean
  readonly #answers = new Map<number, Deferred<Answer>>()
  readonly #events = new Map<string, Deferred<string>>()
  readonly #ended: Promise<unknown>
  /** The values of records that it was told are written. */
  readonly acknowledged: string[] = []
  #id = 0

  private constructor(child: string, { container, isNeverWaitedFor }: OccupantOptions) {
    this.#hasParent = container !== undefined || isNeverWaitedFor === true
    const node = [process.execPath, child]
    const command = isNeverWaitedFor
      ? ['sh', '-c', 'exec 3<&0; "$@" <&3 & exec sleep 600', 'sh', ...node]
      : container
        ? ['unshare', '-fpu', '--mount-proc', '--kill-child', 'sh', '-c', `hostname ${container} && exec "$@"`, 'sh', ...node]
        : node
    this.#process = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#ended = new Promise(resolve => this.#process.on('close', resolve))
    this.#process.stdin?.on('error', () => {})
    let complaints = ''
    this.#process.stderr?.on('data', text => {
      complaints += text
    })
    this.#ended.then(() => {
      const error = new Error(`The process has ended: ${complaints}`)
      for (const waiting of [...this.#answers.values(), ...this.#events.values()]) {
        waiting.promise.catch(() => {})
        waiting.reject(error)
      }
    })
    createInterface({ input: this.#process.stdout as NodeJS.ReadableStream }).on('line', line => this.#hear(JSON.parse(line)))
  }

  static async start(options: OccupantOptions = {}): Promise<Occupant> {
    const occupant = new Occupant(await programOf('child'), options)
    await occupant.event('ready')
    return occupant
  }

  ask(command: Asked): Promise<Answer> {
    const id = this.#id++
    const answer = deferred<Answer>()
    this.#answers.set(id, answer)
    this.#process.stdin?.write(`${JSON.stringify({ ...command, id })}\n`)
    return answer.promise
  }

  /** Resolves with the event's message, also where it was told before. */
  event(name: string): Promise<string> {
    return this.#event(name).promise
  }

  stop(): void {
    process.kill(this.pid, 'SIGSTOP')
  }

  goOn(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  /** Ends it as a container ends that runs out of memory. */
  async kill(): Promise<void> {
    try {
      process.kill(this.pid, 'SIGKILL')
    } catch {
      // It has ended already.
    }
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  #hear(told: Told): void {
    if ('acknowledged' in told) return void this.acknowledged.push(told.acknowledged)
    if ('event' in told) return this.#event(told.event).resolve(told.message)
    this.#answers.get(told.id)?.resolve(told)
    this.#answers.delete(told.id)
  }

  #event(name: string): Deferred<string> {
    const event = this.#events.get(name) ?? deferred<string>()
    this.#events.set(name, event)
    return event
  }

  /** As it is seen from here; its parent may be a process between. */
  get pid(): number {
    const pid = this.#process.pid as number
    if (!this.#hasParent) return pid
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
  }
}
