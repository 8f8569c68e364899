import { statSync } from 'node:fs'
import { type Command, UsageError } from '../command.js'
import { partitionFolderAt, segmentFiles } from '../look/data-directory.js'
import { dumpFile, isDumpable } from '../look/dump-file.js'

export const dump: Command = {
  name: 'dump',
  usage: ['DIR/TOPIC-P [--records] [--json]', 'FILE [--records] [--json]'],
  summary: 'Shows the batches of a partition, or what one of its files holds',
  details: `FILE is a .log, .index, .timeindex, .txnindex or .snapshot file, or one of the checkpoints.
Batches of deleted records are marked, their records left out.
Records of __consumer_offsets and __cluster_metadata are shown with what they mean. Nothing is
changed, and another process may have the files open. Exit code 1 when something is damaged.`,
  options: {
    records: { short: 'r', help: 'The records of each batch too' },
    json: { help: 'One JSON object per line; bytes that are no text are {"base64": …}' }
  },
  async run(invocation) {
    const [path] = invocation.args('DIR/TOPIC-P')
    const { output, signal } = invocation
    const options = { output, signal, records: invocation.flag('records'), json: invocation.flag('json') }
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found) throw new UsageError(`there is no ${path}`)
    if (!found.isDirectory()) {
      if (!isDumpable(path)) throw new UsageError(`${path} is no file that can be shown`)
      return (await dumpFile(path, options)) > 0 ? 1 : 0
    }
    if (!partitionFolderAt(path)) throw new UsageError(`${path} is no folder of a partition; give DIR/TOPIC-P, as in data/orders-0`)
    let problems = 0
    for (const segment of segmentFiles(path)) problems += await dumpFile(segment.path, options)
    return problems > 0 ? 1 : 0
  }
}
