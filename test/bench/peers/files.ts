import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { StoreKind } from '../disk-run.js'
import type { Message } from '../messages.js'

const blockBytes = 1024 * 1024

/** Node's own shortcuts, which its types leave out. */
type FastBuffer = Buffer & {
  latin1Slice(start: number, end: number): string
  utf8Slice(start: number, end: number): string
  latin1Write(text: string, position: number): number
  utf8Write(text: string, position: number): number
}
const newBuffer = () => Buffer.allocUnsafeSlow(blockBytes) as FastBuffer

/** The floor: the same ready-made bytes again and again, a mebibyte at a time, and as many read back. Nothing is encoded. */
export const rawBlocks: StoreKind = {
  open(folder) {
    const file = openSync(join(folder, 'raw'), 'w')
    let block: Buffer | undefined
    let filled = 0
    return {
      append(messages) {
        block ??= Buffer.alloc(blockBytes)
        const { key, value } = messages[0]
        filled += messages.length * (key.length + value.length + 8)
        for (; filled >= blockBytes; filled -= blockBytes) writeSync(file, block)
      },
      close: () => closeSync(file)
    }
  },
  reopen(folder, count) {
    const file = openSync(join(folder, 'raw'), 'r')
    return {
      replay(see) {
        const block = Buffer.alloc(blockBytes)
        while (readSync(file, block) > 0);
        // Nothing was decoded: the count is taken on trust.
        for (let seen = 0; seen < count; seen++) see('user-0', numbers[seen % 1000])
      },
      close: () => closeSync(file)
    }
  }
}

const numbers = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'))

/** What any log must do: each record framed with its lengths, written in blocks, read in blocks, made into objects. */
export const framedFile: StoreKind = {
  open(folder) {
    const file = openSync(join(folder, 'framed'), 'w')
    const buffer = newBuffer()
    let position = 0
    return {
      append(messages) {
        for (const { key, value } of messages) {
          if (position + 8 + key.length * 3 + value.length * 3 > buffer.length) flush()
          position = frame(buffer, position, { key, value })
        }
        // A batch that was appended is in the hands of the operating system.
        flush()
      },
      close: () => closeSync(file)
    }
    function flush() {
      writeSync(file, buffer, 0, position)
      position = 0
    }
  },
  reopen(folder) {
    const file = openSync(join(folder, 'framed'), 'r')
    return {
      replay(see) {
        const buffer = newBuffer()
        let left = 0
        for (let read: number; (read = readSync(file, buffer, left, buffer.length - left, null)) > 0; ) {
          const end = left + read
          let position = 0
          while (position + 8 <= end) {
            const keyLength = buffer.readInt32LE(position)
            const valueLength = buffer.readInt32LE(position + 4)
            const next = position + 8 + keyLength + valueLength
            if (next > end) break
            const record = {
              key: buffer.latin1Slice(position + 8, position + 8 + keyLength),
              value: buffer.utf8Slice(position + 8 + keyLength, next)
            }
            see(record.key, record.value)
            position = next
          }
          buffer.copyWithin(0, position, end)
          left = end - position
        }
      },
      close: () => closeSync(file)
    }
  }
}

function frame(buffer: FastBuffer, position: number, { key, value }: Message): number {
  const keyLength = buffer.latin1Write(key, position + 8)
  const valueLength = buffer.utf8Write(value, position + 8 + keyLength)
  buffer.writeInt32LE(keyLength, position)
  buffer.writeInt32LE(valueLength, position + 4)
  return position + 8 + keyLength + valueLength
}

/** A line of JSON for each message. */
export const jsonLines: StoreKind = {
  open(folder) {
    const file = openSync(join(folder, 'lines.ndjson'), 'w')
    return {
      append(messages) {
        let lines = ''
        for (const message of messages) lines += `${JSON.stringify(message)}\n`
        writeSync(file, lines)
      },
      close: () => closeSync(file)
    }
  },
  reopen(folder) {
    const file = openSync(join(folder, 'lines.ndjson'), 'r')
    return {
      replay(see) {
        const buffer = newBuffer()
        let rest = ''
        for (let read: number; (read = readSync(file, buffer, 0, buffer.length, null)) > 0; ) {
          const lines = (rest + buffer.latin1Slice(0, read)).split('\n')
          rest = lines.pop() as string
          for (const line of lines) {
            const { key, value } = JSON.parse(line) as Message
            see(key, value)
          }
        }
      },
      close: () => closeSync(file)
    }
  }
}
