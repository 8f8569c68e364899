/**
 * A mode for tests, in which what was given back cannot be used without being noticed: bytes are
 * overwritten at once, and whoever closes a descriptor says so, so that its number can be given to
 * something else. Off, it costs a look at a variable.
 */
let poison: Poison | undefined

export interface Poison {
  /** The number of a descriptor has become free. */
  readonly onDescriptorClosed?: () => void
}

/** The byte that overwrites memory that was given back. */
export const poisonByte = 0xdb

/** Turns the mode on, or off with `undefined`. */
export function setPoison(wanted: Poison | undefined): void {
  poison = wanted
}

export function isPoisoning(): boolean {
  return poison !== undefined
}

/** Says that nobody may look at these bytes any more. */
export function givenBack(bytes: Uint8Array): void {
  if (poison) bytes.fill(poisonByte)
}

/** Says that a descriptor was closed. */
export function descriptorClosed(): void {
  poison?.onDescriptorClosed?.()
}
