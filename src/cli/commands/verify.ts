import type { Command } from '../command.js'
import { expectDirectory } from '../look/data-directory.js'
import { counted, shownSize } from '../shown.js'
import { verifyDirectory } from '../verify/verify-directory.js'

export const verify: Command = {
  name: 'verify',
  usage: ['DIR [--json]'],
  summary: 'Checks every file of a data directory: batches, indexes, snapshots, checkpoints',
  details: `DIR is a data directory of millrace or of Apache Kafka, or the folder of one partition in it.
Of every batch it checks the checksum, the structure of its records and its offsets; of every
index each entry against the log; of snapshots the checksum; of checkpoints the form, and that
they do not point beyond the log. Nothing is changed, and another process may have the directory
open. Exit code 1 and a list when something is wrong.`,
  options: { json: { help: 'One JSON object with counts, problems and notes' } },
  async run(invocation) {
    const [directory] = invocation.args('DIR')
    const { output } = invocation
    expectDirectory(directory)
    const report = await verifyDirectory(directory, { signal: invocation.signal })
    const { partitions, segments, batches, records, bytes, problems, notes } = report
    if (invocation.flag('json')) {
      await output.json(report)
      return problems.length > 0 ? 1 : 0
    }
    for (const { file, message } of problems) await output.line(`${file}: ${message}`)
    for (const { file, message } of notes) await output.line(`note: ${file}: ${message}`)
    const counts = [counted(partitions, 'partition'), counted(segments, 'segment'), counted(batches, 'batch'), counted(records, 'record')]
    const verdict = problems.length === 0 ? 'all is well' : counted(problems.length, 'problem')
    await output.line(`${counts.join(', ')}, ${shownSize(bytes)}: ${verdict}`)
    return problems.length > 0 ? 1 : 0
  }
}
