import { statSync } from 'node:fs'
import { join } from 'node:path'
import { zeroUuid } from '../../common/uuid.js'
import type { Command, Invocation } from '../command.js'
import { storedGroups } from '../look/committed-offsets.js'
import { checkpointsIn, expectDirectory, type OffsetRange, offsetRangeOf, topicIdOf } from '../look/data-directory.js'
import { adminTimeoutMs, connectAsGiven, remoteOptions } from '../remote.js'

interface OffsetRow {
  readonly groupId: string
  readonly state: string
  readonly members: number
  readonly topic: string | null
  readonly partition: number | null
  readonly committedOffset: number | null
  /** Null when the partition is gone. */
  readonly logEndOffset: number | null
  readonly lag: number | null
}

export const groups: Command = {
  name: 'groups',
  usage: ['DIR [--json]', '--broker HOST:PORT [--json]'],
  summary: 'Lists consumer groups with what they have committed and their lag',
  details: `From a directory it reads __consumer_offsets, as millrace or Apache Kafka keep it: nothing is changed, and another
process may have it open. Members are those that were last written down.`,
  options: { json: { help: 'One JSON object per group and partition' }, ...remoteOptions },
  async run(invocation) {
    const { output } = invocation
    const rows = await offsetRows(invocation)
    if (invocation.flag('json')) {
      for (const row of rows) await output.json(row)
      return 0
    }
    const cells = rows.map(row =>
      [row.groupId, row.state, row.members, row.topic, row.partition, row.committedOffset, row.logEndOffset, row.lag].map(
        cell => cell ?? '-'
      )
    )
    await output.table(['group', 'state', 'members', 'topic', 'partition', 'committed', 'end', 'lag'], cells)
    return 0
  }
}

function offsetRows(invocation: Invocation): Promise<OffsetRow[]> {
  if (invocation.list('broker').length === 0) return rowsOfDirectory(invocation.args('DIR')[0], invocation.signal)
  invocation.args()
  return rowsOfBroker(invocation)
}

async function rowsOfDirectory(directory: string, signal: AbortSignal): Promise<OffsetRow[]> {
  expectDirectory(directory)
  const logs = new Map<string, LogRange | null>()
  const starts = checkpointsIn(directory, 'log-start-offset-checkpoint')
  const rangeOf = async (name: string) => {
    const known = logs.get(name)
    if (known !== undefined) return known
    const path = join(directory, name)
    const exists = statSync(path, { throwIfNoEntry: false })?.isDirectory()
    const range = exists ? { topicId: topicIdOf(path), ...(await offsetRangeOf(path, starts.get(name), signal)) } : null
    logs.set(name, range)
    return range
  }
  const rows: OffsetRow[] = []
  for (const { groupId, metadata, offsets } of sorted([...(await storedGroups(directory, signal)).values()])) {
    const members = metadata?.members.length ?? 0
    const group = { groupId, state: members > 0 ? 'has members' : 'empty', members }
    for (const { topic, partition, offset, topicId } of byPartition([...offsets.values()])) {
      const range = await rangeOf(`${topic}-${partition}`)
      // Offsets of a deleted topic do not count for the next one of its name.
      if (range?.topicId !== undefined && topicId !== zeroUuid && topicId !== range.topicId) continue
      rows.push({ ...group, ...rowAt(topic, partition, offset, range) })
    }
    if (offsets.size === 0) rows.push({ ...group, ...noOffset })
  }
  return rows
}

async function rowsOfBroker(invocation: Invocation): Promise<OffsetRow[]> {
  await using cluster = await connectAsGiven(invocation)
  const admin = cluster.admin({ timeoutMs: adminTimeoutMs })
  const { signal } = invocation
  const rows: OffsetRow[] = []
  for (const { groupId, state, protocolType } of sorted(await admin.listGroups({ signal }))) {
    const described = protocolType === 'consumer' ? await admin.describeGroups([groupId], { signal }) : []
    const group = { groupId, state: state.toLowerCase(), members: described[0]?.members.length ?? 0 }
    const offsets = byPartition(await admin.listGroupOffsets(groupId, { signal }))
    const ends = offsets.length === 0 ? [] : await admin.listOffsets(offsets, 'latest', { signal })
    const starts = offsets.length === 0 ? [] : await admin.listOffsets(offsets, 'earliest', { signal })
    const start = new Map(starts.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
    const end = new Map(ends.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
    for (const { topic, partition, offset } of offsets) {
      const name = `${topic}-${partition}`
      const range = end.has(name) ? { start: start.get(name) ?? 0, end: end.get(name) as number } : null
      rows.push({ ...group, ...rowAt(topic, partition, offset, range) })
    }
    if (offsets.length === 0) rows.push({ ...group, ...noOffset })
  }
  return rows
}

const noOffset = { topic: null, partition: null, committedOffset: null, logEndOffset: null, lag: null }

interface LogRange extends OffsetRange {
  readonly topicId?: string | undefined
}

/** Records that were deleted are not left to be read. */
function rowAt(topic: string, partition: number, committedOffset: number, log: LogRange | null) {
  const lag = log && Math.max(0, log.end - Math.max(committedOffset, log.start))
  return { topic, partition, committedOffset, logEndOffset: log?.end ?? null, lag }
}

function sorted<T extends { readonly groupId: string }>(all: T[]): T[] {
  return all.sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
}

function byPartition<T extends { readonly topic: string; readonly partition: number }>(all: T[]): T[] {
  return all.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}
