import type { Input } from './input.js'
import type { Tally } from './tally.js'

interface Measured {
  readonly records: number
  readonly ms: number
}

interface Counted {
  readonly tally: Tally
  /** Records seen besides that are from earlier runs. */
  readonly earlier: number
}

export interface Result {
  readonly input: Input
  readonly topicName: string
  /** The number of records that went to each partition. */
  readonly spread: readonly number[]
  /** The bytes that they take in the log, or 0 where that is not known. */
  readonly bytesStored: number
  readonly produced: Measured
  readonly statistics: Measured & Counted
  readonly copy: Measured & { readonly path: string; readonly bytes: number }
  readonly replay: Measured & Counted
}

export function printReport({ input, topicName, spread, bytesStored, produced, statistics, copy, replay }: Result): void {
  const { keyField, meanField } = input
  print(`${input.title}, keyed by ${keyField}, in topic ${topicName}`)

  const leading = statistics.tally.top(meanField ? 'mean' : 'count', 10)
  const rows = leading.map(({ key, count, mean }) => [key, number(count), ...(meanField ? [mean.toFixed(1)] : [])])
  print(
    meanField ? `The highest mean ${meanField}, of ${statistics.tally.keys} keys` : `The most frequent of ${statistics.tally.keys} keys`
  )
  table([keyField ?? 'key', 'records', ...(meanField ? [`mean ${meanField}`] : [])], rows)

  print('Read and written')
  const line = (name: string, { records, ms }: Measured) => [name, number(records), number((records / ms) * 1000)]
  table(
    ['', 'records', 'records/s'],
    [line('produced', produced), line('group statistics', statistics), line('group copy', copy), line('group replay', replay)]
  )

  if (replay.earlier > 0) print(`Of what the group replay saw, ${number(replay.earlier)} records are from earlier runs.`)
  const share = `${number(bytesStored)} in the log with lz4 (${((bytesStored / copy.bytes) * 100).toFixed(0)} %)`
  print(`Bytes: ${number(copy.bytes)} as JSON lines, ${bytesStored > 0 ? share : 'in the log of another process'}`)
  print(`Partitions: ${spread.map((count, index) => `${index}: ${number(count)}`).join('  ')}`)
  print(`The copy, as JSON lines: ${copy.path}`)
  print(replay.tally.equals(statistics.tally) ? 'The replay from offset 0 came to the same totals.' : 'THE REPLAY CAME TO OTHER TOTALS.')
}

function print(text: string): void {
  console.log(`\n${text}`)
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** The first column to the left, numbers to the right. */
function table(head: string[], rows: string[][]): void {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => row[column].length)))
  for (const row of [head, ...rows]) {
    console.log(`  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  ')}`)
  }
}
