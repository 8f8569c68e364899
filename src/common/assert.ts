/**
 * Throws unless the condition holds. For mistakes of our own; a caller's mistake is a `TypeError`.
 */
export function assert(condition: boolean, expected: string): asserts condition {
  if (!condition) throw new Error(`Expected ${expected}; this is a fault of millrace, please report it`)
}
