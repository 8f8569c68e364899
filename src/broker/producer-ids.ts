import type { MaybePromise } from '../common/deferred.js'
import type { MetadataDecision } from '../metadata/cluster-metadata.js'
import type { ControllerNode } from './node.js'

/** The size of a block of ids, as in Kafka: one record for all of them. */
const blockSize = 1000

/** Gives each producer an id that no other had before, and none will get after a restart. */
export class ProducerIds {
  readonly #node: ControllerNode
  #next = 0
  #end = 0
  #taking: Promise<void> | undefined

  readonly #makeLast: () => Promise<void> | undefined

  /** `makeLast` makes what was decided survive a power cut. */
  constructor(node: ControllerNode, makeLast: () => Promise<void> | undefined) {
    this.#node = node
    this.#makeLast = makeLast
  }

  next(): MaybePromise<number> {
    if (this.#next < this.#end) return this.#next++
    return this.#afterNextBlock()
  }

  async #afterNextBlock(): Promise<number> {
    while (this.#next >= this.#end) {
      this.#taking ??= this.#takeBlock().finally(() => {
        this.#taking = undefined
      })
      await this.#taking
    }
    return this.#next++
  }

  async #takeBlock(): Promise<void> {
    const { metadata, nodeId } = this.#node
    const start = await this.#node.controller.change((): MetadataDecision<number> => {
      const first = metadata.nextProducerId
      return { response: first, records: [{ type: 'producerIds', brokerId: nodeId, brokerEpoch: -1, nextProducerId: first + blockSize }] }
    })
    // Logs may survive a power cut that takes the record: another producer with an id of theirs
    // would be taken for theirs, and its batches for repeated ones.
    await this.#makeLast()
    this.#next = start
    this.#end = start + blockSize
  }
}
