import { createInterface } from 'node:readline'
import { onAbort } from '../../common/abort.js'
import type { CompressionType } from '../../record/compression/codec.js'
import { type Command, UsageError } from '../command.js'
import { connectAsGiven, interruptMs, remoteOptions } from '../remote.js'
import { counted } from '../shown.js'

const compressions: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const portionSize = 1000

export const produce: Command = {
  name: 'produce',
  usage: ['TOPIC --broker HOST:PORT [--key-separator SEP]'],
  summary: 'Sends each line of the standard input as a record',
  options: {
    'key-separator': { short: 'k', value: 'SEP', help: 'What stands between key and value in a line. Default: lines have no key' },
    partition: { short: 'p', value: 'N', help: 'Default: by key, else spread' },
    compression: { short: 'z', value: 'TYPE', help: 'none, gzip, snappy, lz4 or zstd. Default: none' },
    ...remoteOptions
  },
  async run(invocation) {
    const [topic] = invocation.args('TOPIC')
    const separator = invocation.text('key-separator')
    const partition = invocation.integer('partition', 0)
    const compression = (invocation.text('compression') ?? 'none') as CompressionType
    if (!compressions.includes(compression))
      throw new UsageError(`--compression is one of ${compressions.join(', ')}, not '${compression}'`)
    if (separator === '') throw new UsageError('--key-separator may not be empty')

    const { signal } = invocation
    await using cluster = await connectAsGiven(invocation)
    await using producer = cluster.producer({ compression, lingerMs: 5 })
    const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY, signal })
    let sent = 0
    let portion: { key: string | null; value: string; partition?: number }[] = []
    const send = async () => {
      const records = portion
      portion = []
      if (records.length > 0) await producer.sendBatch(topic, records)
      sent += records.length
    }
    // The lines that were read before are sent, if that does not take long.
    onAbort(signal, () => setTimeout(() => producer.close({ timeoutMs: 0 }), interruptMs).unref())
    try {
      await sendLines()
    } catch (error) {
      if (signal.aborted) tellSent()
      throw error
    }
    tellSent()
    signal.throwIfAborted()
    return 0

    function tellSent(): void {
      invocation.tell(`${counted(sent, 'record')} sent to ${topic}`)
    }

    async function sendLines(): Promise<void> {
      for await (const line of lines) {
        const at = separator === undefined ? -1 : line.indexOf(separator)
        if (separator !== undefined && at < 0) {
          await send()
          throw new UsageError(`line ${sent + 1} holds no '${separator}': ${line}\nThe lines before it were sent.`)
        }
        const value = separator === undefined ? line : line.slice(at + separator.length)
        portion.push({ key: separator === undefined ? null : line.slice(0, at), value, ...(partition !== undefined && { partition }) })
        // A person who types wants each line to go out; a file goes faster in portions.
        if (process.stdin.isTTY || portion.length >= portionSize) await send()
      }
      await send()
    }
  }
}
