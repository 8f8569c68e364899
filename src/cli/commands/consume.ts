import { onAbort } from '../../common/abort.js'
import { type Command, UsageError } from '../command.js'
import { adminTimeoutMs, connectAsGiven, interruptMs, remoteOptions } from '../remote.js'
import { jsonRecord, shownRecord } from '../shown.js'

export const consume: Command = {
  name: 'consume',
  usage: ['TOPIC --broker HOST:PORT [--from earliest|latest] [--group ID] [--count N | --exit]'],
  summary: 'Shows the records of a topic as they come',
  details: `Without --group all partitions are read and nothing is committed; with it the work is shared with the
group's other members, and it goes on where the group was. Ends when interrupted, after --count records, or with --exit.`,
  options: {
    from: { value: 'WHERE', help: 'earliest or latest; in a group, where it has committed nothing. Default: latest' },
    group: { short: 'g', value: 'ID', help: 'Read as a member of this group, and commit' },
    count: { short: 'n', value: 'N', help: 'End after so many records' },
    exit: { short: 'e', help: 'End when everything there is has been read' },
    json: { help: 'One JSON object per record' },
    values: { short: 'v', help: 'Only the values, each on a line' },
    ...remoteOptions
  },
  async run(invocation) {
    const [topic] = invocation.args('TOPIC')
    const { output, signal } = invocation
    const from = invocation.text('from') ?? 'latest'
    if (from !== 'earliest' && from !== 'latest') throw new UsageError(`--from is earliest or latest, not '${from}'`)
    const count = invocation.integer('count', 1) ?? Number.POSITIVE_INFINITY
    const [json, values, untilEnd] = [invocation.flag('json'), invocation.flag('values'), invocation.flag('exit')]
    const groupId = invocation.text('group')

    await using cluster = await connectAsGiven(invocation)
    await using admin = cluster.admin({ timeoutMs: adminTimeoutMs })
    const [described] = await admin.describeTopics([topic], { signal })
    const reading = groupId === undefined ? {} : { groupId, topics: [topic], autoCommit: false }
    await using consumer = cluster.consumer({ autoOffsetReset: from, ...reading })
    if (groupId === undefined) consumer.assign(described.partitions.map(({ partition }) => ({ topic, partition })))
    signal.throwIfAborted()
    onAbort(signal, () => void consumer.close({ timeoutMs: interruptMs }))
    try {
      await show()
      signal.throwIfAborted()
    } catch (error) {
      // An interrupt is the regular end where nothing else ends it.
      if (!signal.aborted || untilEnd || count !== Number.POSITIVE_INFINITY) throw error
    }
    return 0

    async function show(): Promise<void> {
      await consumer.start({ signal })
      if (untilEnd && (await nothingLeft())) return

      let shown = 0
      for await (const batch of consumer.batches()) {
        const { partition } = batch
        let next = batch.endOffset
        for (const record of batch) {
          const text = values ? Buffer.from(record.value ?? []).toString() : `${partition}  ${shownRecord(record)}`
          const line = json ? output.json({ partition, ...jsonRecord(record) }) : output.line(text)
          if (line) await line
          if (++shown < count) continue
          next = record.offset + 1
          break
        }
        await output.flush()
        // Records that were printed count as read.
        if (groupId !== undefined) await consumer.commit([{ topic, partition, offset: next }])
        if (shown >= count || (untilEnd && (await nothingLeft()))) return
      }
    }

    async function nothingLeft(): Promise<boolean> {
      return (await consumer.lag()).every(({ lag }) => lag === 0)
    }
  }
}
