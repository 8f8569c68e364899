import { basename } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { KafkaError } from '../../errors.js'
import { type Command, integerIn, UsageError } from '../command.js'
import { batchesOf } from '../look/batches-of.js'
import { checkpointsIn, logEndOffset, type PartitionFolder, partitionFolders, segmentFiles } from '../look/data-directory.js'
import type { Output } from '../output.js'
import { jsonRecord, shownRecord } from '../shown.js'

const followMs = 200
const lastRecords = 10
/** So often something is looked at again before it is called damaged. */
const maxDoubts = 3

export const tail: Command = {
  name: 'tail',
  usage: ['DIR TOPIC [--from earliest|latest|OFFSET] [--follow] [--json]'],
  summary: 'Shows the records at the end of a topic in a data directory, and those to come',
  details: `Without --from it begins ${lastRecords} offsets before the end of each partition. Records come partition by partition,
also those of transactions that are open or were aborted. Nothing is changed, and another process may be writing.`,
  options: {
    from: { value: 'WHERE', help: 'earliest, latest, or an offset in each partition' },
    partition: { short: 'p', value: 'N', help: 'Only this partition' },
    follow: { short: 'f', help: 'Go on with what is written from now on, until interrupted' },
    json: { help: 'One JSON object per record' }
  },
  async run(invocation) {
    const [directory, topic] = invocation.args('DIR', 'TOPIC')
    const { output, signal } = invocation
    const from = invocation.text('from')
    const only = invocation.integer('partition', 0)
    const all = partitionFolders(directory).filter(folder => folder.topic === topic)
    if (all.length === 0) throw new UsageError(`there is no topic '${topic}' in ${directory}`)
    const folders = all.filter(({ partition }) => only === undefined || partition === only)
    if (folders.length === 0) throw new UsageError(`'${topic}' has no partition ${only}, only 0 to ${all.length - 1}`)
    const followed: Follower[] = []
    const follows = invocation.flag('follow')
    try {
      const starts = checkpointsIn(directory, 'log-start-offset-checkpoint')
      for (const folder of folders) {
        const start = starts.get(basename(folder.path)) ?? 0
        followed.push(new Follower(folder, await startIn(folder, start, from, signal)))
      }
      for (;;) {
        for (const follower of followed) await follower.show(output, invocation.flag('json'), signal)
        await output.flush()
        if (!follows) return 0
        await setTimeout(followMs, undefined, { signal })
      }
    } catch (error) {
      // Following has no other end.
      if (follows && signal.aborted) return 0
      throw error
    }
  }
}

/** Records before `logStartOffset` were deleted, though they may still be in the files. */
async function startIn({ path }: PartitionFolder, logStartOffset: number, from: string | undefined, signal: AbortSignal): Promise<number> {
  const first = Math.max(segmentFiles(path)[0]?.baseOffset ?? 0, logStartOffset)
  if (from === 'earliest') return first
  if (from === 'latest') return logEndOffset(path, signal)
  if (from !== undefined) return Math.max(first, integerIn('--from', from, 0))
  return Math.max(first, (await logEndOffset(path, signal)) - lastRecords)
}

/** Shows what a partition has from an offset on, each time only what is new. */
class Follower {
  readonly #folder: PartitionFolder
  #next: number
  #doubts = 0

  constructor(folder: PartitionFolder, next: number) {
    this.#folder = folder
    this.#next = next
  }

  async show(output: Output, json: boolean, signal: AbortSignal): Promise<void> {
    const { partition, path } = this.#folder
    try {
      for await (const batch of batchesOf(path, this.#next, signal)) {
        signal.throwIfAborted()
        batch.verify()
        for (const record of batch.isControl ? [] : batch.records()) {
          if (record.offset < this.#next) continue
          const line = json ? output.json({ partition, ...jsonRecord(record) }) : output.line(`${partition}  ${shownRecord(record)}`)
          if (line) await line
        }
        this.#next = batch.nextOffset
        this.#doubts = 0
      }
    } catch (error) {
      if (error instanceof KafkaError && this.#doubts++ < maxDoubts) {
        // Someone may just be writing there.
        await setTimeout(followMs, undefined, { signal })
        return this.show(output, json, signal)
      }
      // Retention took a segment away, or the whole topic is gone; the next look goes on with what
      // is there.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
