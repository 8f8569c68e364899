/** One thing that a client was asked to do. */
export interface Check {
  readonly what: string
  /** Undefined when it went well. */
  readonly problem?: string
}

/** A Kafka client that others wrote, and how to put it through a round of everything. */
export interface ForeignClient {
  readonly name: string
  /** Why it cannot be run here, or undefined when it can. */
  missing(): Promise<string | undefined>
  version(): Promise<string>
  /** Does everything against the broker at `address`; `zstd` says whether that codec can be tried. */
  round(address: string, zstd: boolean): Promise<Check[]>
}

/** Gathers checks one by one; a check that throws is a problem, and the next goes on. */
export class Round {
  readonly checks: Check[] = []

  readonly #told: (check: Check) => void

  /** `told` hears of each check as it ends. */
  constructor(told: (check: Check) => void = () => {}) {
    this.#told = told
  }

  async check(what: string, act: () => Promise<void>): Promise<void> {
    let check: Check = { what }
    try {
      await act()
    } catch (error) {
      check = { what, problem: error instanceof Error ? error.message : String(error) }
    }
    this.checks.push(check)
    this.#told(check)
  }
}

export function expectEqual(actual: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left !== right) throw new Error(`Expected ${short(right)}, got ${short(left)}`)
}

function short(text: string | undefined): string {
  return text === undefined || text.length < 300 ? String(text) : `${text.slice(0, 200)}… (${text.length} characters)`
}

/** The checks of a program in another language, which prints one line of JSON for each. */
export function checksIn(output: string): Check[] {
  const lines = output.split('\n').filter(line => line.startsWith('{"what"'))
  return lines.map(line => JSON.parse(line) as Check)
}

export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
