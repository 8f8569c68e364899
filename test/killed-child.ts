import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const cwd = fileURLToPath(new URL('..', import.meta.url))

export interface ChildEnd {
  /** False where it ended before it was killed, or took longer than it may. */
  readonly isKilled: boolean
  /** `null` after a signal. */
  readonly code: number | null
  /** All that it wrote to stderr. */
  readonly complaints: string
}

/**
 * Runs Node with these arguments. `onLine` is given each line of the output, and kills the child by
 * `kill`; the last line may be cut short by that.
 */
export async function runAndKill(
  args: readonly string[],
  onLine: (line: string, kill: () => void) => void,
  timeoutMs?: number
): Promise<ChildEnd> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd, timeout: timeoutMs, killSignal: 'SIGKILL' })
  let complaints = ''
  let isKilled = false
  child.stderr.on('data', text => (complaints += text))
  const kill = () => {
    isKilled = true
    child.kill('SIGKILL')
  }
  createInterface({ input: child.stdout }).on('line', line => onLine(line, kill))
  const [code] = await once(child, 'close')
  return { isKilled, code, complaints }
}
