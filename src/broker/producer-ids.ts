import type { MaybePromise } from '../common/deferred.js'
import type { MetadataDecision } from '../metadata/cluster-metadata.js'
import type { ControllerNode } from './node.js'

/** How many ids are taken from the cluster at once, as Kafka does: one record for all of them. */
const blockSize = 1000

/** Gives each producer an id that no other had before, and none will get after a restart. */
export class ProducerIds {
  readonly #node: ControllerNode
  #next = 0
  #end = 0
  #taking: Promise<void> | undefined

  constructor(node: ControllerNode) {
    this.#node = node
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
    const start = await this.#node.change((): MetadataDecision<number> => {
      const first = metadata.nextProducerId
      return { response: first, records: [{ type: 'producerIds', brokerId: nodeId, brokerEpoch: -1, nextProducerId: first + blockSize }] }
    })
    this.#next = start
    this.#end = start + blockSize
  }
}
