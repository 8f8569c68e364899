import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { freePort } from '../free-port.js'
import { Missing } from './contest.js'

/** A server that a contestant needs, as a child of its process; it ends with it. */
export interface Server {
  readonly port: number
  readonly pid: number | undefined
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
process.on('SIGTERM', () => process.exit(1))

/** Starts a server on a free port and waits until it takes connections. Throws `Missing` where it is not installed. */
export async function startServer(
  command: string,
  args: (port: number) => readonly string[],
  options: { readonly port?: number; readonly waitMs?: number } = {}
): Promise<Server> {
  if (spawnSync(command, ['--version'], { stdio: 'ignore' }).error) throw new Missing(`${command} is not installed`)
  const { port = await freePort(), waitMs = 20_000 } = options
  const child = spawn(command, args(port), { stdio: 'ignore' })
  running.add(child)
  const ended = once(child, 'close')
  const giveUpAt = performance.now() + waitMs
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null || performance.now() > giveUpAt) throw new Error(`${command} did not start`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return {
    port,
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM')
      await ended
      running.delete(child)
    }
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('close', () => socket.destroy())
    socket.on('connect', () => socket.end())
  })
}
