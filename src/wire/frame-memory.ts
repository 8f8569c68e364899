import { givenBack } from '../common/poison.js'

/**
 * Memory for frames that arrive in several pieces, used again and again by all connections of a
 * listener: memory that is touched for the first time costs more than what is done with it, and the
 * collector starts to work whenever some tens of megabytes of it were given out.
 */
export class FrameMemory {
  readonly #spare: ArrayBuffer[] = []
  readonly #lent = new WeakSet<ArrayBuffer>()

  /** Room for so many bytes, or a little more; what stands in it is left over from others. */
  take(bytes: number): Uint8Array {
    const index = this.#spare.findIndex(spare => spare.byteLength >= bytes)
    const buffer = index < 0 ? new ArrayBuffer(2 ** Math.ceil(Math.log2(bytes))) : this.#spare.splice(index, 1)[0]
    this.#lent.add(buffer)
    return new Uint8Array(buffer)
  }

  /**
   * Takes back the memory of a frame that nobody will look at again. Does nothing for bytes that
   * are not from here.
   */
  give(frame: Uint8Array): void {
    givenBack(frame)
    const { buffer } = frame
    if (!this.#lent.delete(buffer as ArrayBuffer) || buffer.byteLength === 0) return
    this.#spare.push(buffer as ArrayBuffer)
    if (this.#spare.length <= mostSpare) return
    this.#spare.sort((a, b) => b.byteLength - a.byteLength)
    this.#spare.length = mostSpare
  }
}

/**
 * Four of a megabyte, as frames have more only where `message.max.bytes` was raised; what is given
 * back beyond that is left to the collector.
 */
const mostSpare = 4
