/** The most different warnings that one source gives. */
const mostWarnings = 20

/** Warnings of the process: each once, and not without end. */
export class Warnings {
  readonly #told = new Set<string>()

  /**
   * `cause`, where given, shows in the details of the warning. Of several with one `subject`, by
   * default the text, the first is given.
   */
  warn(text: string, code: string, cause?: unknown, subject: string = text): void {
    if (this.#told.has(subject) || this.#told.size >= mostWarnings) return
    this.#told.add(subject)
    const { process } = globalThis as { process?: { emitWarning?(text: string, options: object): void } }
    const detail = cause instanceof Error ? { detail: cause.stack } : {}
    process?.emitWarning?.(text, { type: 'MillraceWarning', code, ...detail })
  }
}

/** The message of a failure, for use within a sentence. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
