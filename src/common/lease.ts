/**
 * Bytes that are lent. A storage may hand out views of memory that it would like to use again (touching fresh memory costs more
 * than encoding a record). It registers each view here; whoever has finished with the view says so with `release`. A view that is never
 * released is left to the garbage collector together with the memory behind it, so forgetting is safe, only slower.
 */
const onRelease = new WeakMap<Uint8Array, () => void>()

/** Marks `view` as lent; `returned` is called once, when the borrower releases it. */
export function lend(view: Uint8Array, returned: () => void): Uint8Array {
  onRelease.set(view, returned)
  return view
}

/** Says that nobody will read `view` again. Does nothing for bytes that were not lent, or were released before. */
export function release(view: Uint8Array): void {
  const returned = onRelease.get(view)
  if (!returned) return
  onRelease.delete(view)
  returned()
}
