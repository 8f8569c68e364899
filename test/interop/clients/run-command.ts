import { spawn } from 'node:child_process'
import { basename } from 'node:path'

export interface CommandOptions {
  readonly input?: string
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Default: 60000. */
  readonly timeoutMs?: number
}

/** Runs a program to its end and resolves with what it printed; rejects when it fails, with what it complained about. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { input = '', cwd, env, timeoutMs = 60_000 } = options
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, timeout: timeoutMs, stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    let complaints = ''
    child.stdout.on('data', chunk => (output += chunk))
    child.stderr.on('data', chunk => (complaints += chunk))
    child.on('error', reject)
    child.stdin.on('error', () => {})
    child.on('close', (code, signal) =>
      code === 0 ? resolve(output) : reject(new Error(`${command} ended with ${code ?? signal}: ${(complaints || output).slice(-2000)}`))
    )
    child.stdin.end(input)
  })
}

/** Why a program cannot be run, or undefined when it can. */
export async function missingCommand(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    await runCommand(command, args, { timeoutMs: 300_000 })
    return undefined
  } catch (error) {
    const why = (error as Error).message.replaceAll(command, basename(command)).split('\n', 1)[0]
    return `It cannot be run here: ${why}`
  }
}
