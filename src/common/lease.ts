import { markAsUntransferable } from './host.js'
import { expectBytes } from './options.js'
import { givenBack, isPoisoning } from './poison.js'

/**
 * Bytes that are lent. A storage may hand out views of memory that it would like to use again
 * (touching fresh memory costs more than encoding a record). It marks each view here; whoever has
 * finished with the view says so with `release`. A view that is never released is left to the
 * garbage collector together with the memory behind it, so forgetting is safe, only slower.
 *
 * Until then any number of borrowers may read the bytes; nobody writes to them. After the release
 * the lender may fill them with something else at any time.
 */
const onRelease = Symbol('onRelease')

/**
 * The mark stands on the view itself: a map from views to marks costs four times as much, on the
 * path of every read.
 */
type Lent = Uint8Array & { [onRelease]?: (() => void) | undefined }

/** Marks `view` as lent; `returned` is called once, when the borrower releases it. */
export function lend(view: Uint8Array, returned: () => void): Uint8Array {
  if (isPoisoning()) return lendCopy(view, returned)
  keepUntransferred(view)
  ;(view as Lent)[onRelease] = returned
  return view
}

/** Has `returned` called too when a view is released; as well when it was not lent at all. */
export function whenReleased(view: Uint8Array, returned: () => void): void {
  const before = (view as Lent)[onRelease]
  ;(view as Lent)[onRelease] = () => {
    before?.()
    returned()
  }
}

/** A loan whose end shows, although the memory behind it stays in use: for tests. */
function lendCopy(view: Uint8Array, returned: () => void): Uint8Array {
  const copy = view.slice()
  keepUntransferred(copy)
  ;(copy as Lent)[onRelease] = () => {
    givenBack(copy)
    returned()
  }
  return copy
}

const sharedMemory = new WeakSet<ArrayBufferLike>()

/**
 * Keeps the memory behind a view where it is: a borrower who transferred it would take away what
 * others read.
 */
export function keepUntransferred({ buffer }: Uint8Array): void {
  if (sharedMemory.has(buffer)) return
  sharedMemory.add(buffer)
  markAsUntransferable?.(buffer)
}

/** True if others may read the memory behind a view, so that nobody may write to it. */
export function isShared({ buffer }: Uint8Array): boolean {
  return sharedMemory.has(buffer)
}

/**
 * Says that nobody will read `view` again. Does nothing for bytes that were not lent, or were
 * released before.
 */
export function release(view: Uint8Array): void {
  expectBytes('view', view)
  const returned = (view as Lent)[onRelease]
  if (returned === undefined) return
  ;(view as Lent)[onRelease] = undefined
  returned()
}
