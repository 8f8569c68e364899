import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { grouped } from '../../common/grouped.js'
import type { Command, Invocation } from '../command.js'
import { checkpointsIn, offsetRangeOf, type PartitionFolder, partitionFolders, segmentFiles, topicIdOf } from '../look/data-directory.js'
import { adminTimeoutMs, connectAsGiven, remoteOptions } from '../remote.js'
import { shownSize } from '../shown.js'

interface PartitionRow {
  readonly topic: string
  readonly partition: number
  readonly topicId: string | null
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Unknown from outside. */
  readonly bytes: number | null
}

export const topics: Command = {
  name: 'topics',
  usage: ['DIR [--partitions] [--json]', '--broker HOST:PORT [--partitions] [--json]'],
  summary: 'Lists the topics in a data directory or of a broker',
  details: `For a directory of millrace or Apache Kafka nothing is changed, and another process may have it open.
"offsets" counts from the first to the last one: after compaction there are fewer records.`,
  options: {
    partitions: { short: 'p', help: 'A line for each partition' },
    json: { help: 'One JSON object per partition' },
    ...remoteOptions
  },
  async run(invocation) {
    const { output } = invocation
    const rows = await partitionRows(invocation)
    if (invocation.flag('json')) {
      for (const row of rows) await output.json(row)
      return 0
    }
    const sizeOf = (bytes: number | null) => (bytes === null ? '-' : shownSize(bytes))
    if (invocation.flag('partitions')) {
      const cells = rows.map(row => [row.topic, row.partition, row.logStartOffset, row.logEndOffset, sizeOf(row.bytes)])
      await output.table(['topic', 'partition', 'start', 'end', 'size'], cells)
      return 0
    }
    const cells = [...grouped(rows, ({ topic }) => topic)].map(([topic, partitions]) => {
      const offsets = partitions.reduce((sum, row) => sum + row.logEndOffset - row.logStartOffset, 0)
      const bytes = partitions.reduce<number | null>((sum, row) => (row.bytes === null ? null : (sum ?? 0) + row.bytes), 0)
      return [topic, partitions.length, offsets, sizeOf(bytes), partitions[0].topicId ?? '-']
    })
    await output.table(['topic', 'partitions', 'offsets', 'size', 'id'], cells)
    return 0
  }
}

function partitionRows(invocation: Invocation): Promise<PartitionRow[]> {
  if (invocation.list('broker').length === 0) return rowsOfDirectory(invocation.args('DIR')[0], invocation.signal)
  invocation.args()
  return rowsOfBroker(invocation)
}

async function rowsOfDirectory(directory: string, signal: AbortSignal): Promise<PartitionRow[]> {
  const folders = partitionFolders(directory)
  const starts = checkpointsIn(directory, 'log-start-offset-checkpoint')
  const rows: PartitionRow[] = []
  for (const folder of folders) rows.push(await rowOf(folder, starts.get(basename(folder.path)), signal))
  return rows
}

async function rowOf(
  { topic, partition, path }: PartitionFolder,
  checkpointed: number | undefined,
  signal: AbortSignal
): Promise<PartitionRow> {
  const { start, end } = await offsetRangeOf(path, checkpointed, signal)
  return {
    topic,
    partition,
    topicId: topicIdOf(path) ?? null,
    logStartOffset: start,
    logEndOffset: end,
    bytes: segmentFiles(path).reduce((sum, segment) => sum + (statSync(segment.path, { throwIfNoEntry: false })?.size ?? 0), 0)
  }
}

async function rowsOfBroker(invocation: Invocation): Promise<PartitionRow[]> {
  await using cluster = await connectAsGiven(invocation)
  const admin = cluster.admin({ timeoutMs: adminTimeoutMs })
  const { signal } = invocation
  const listed = await admin.listTopics({ includeInternal: true, signal })
  const names = listed.map(({ name }) => name)
  const starts = await admin.listOffsets(names, 'earliest', { signal })
  const ends = await admin.listOffsets(names, 'latest', { signal })
  const ids = new Map(listed.map(({ name, id }) => [name, id]))
  const end = new Map(ends.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
  const rows = starts.map(({ topic, partition, offset }) => ({
    topic,
    partition,
    topicId: ids.get(topic) ?? null,
    logStartOffset: offset,
    logEndOffset: end.get(`${topic}-${partition}`) ?? offset,
    bytes: null
  }))
  return rows.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}
