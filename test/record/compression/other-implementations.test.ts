import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concatBytes } from '../../../src/common/bytes.js'
import { seededRandom } from '../../../src/common/random.js'
import type { Codec } from '../../../src/record/compression/codec.js'
import { codecOf } from '../../../src/record/compression/codecs.js'
import { portableGzip } from '../../../src/record/compression/gzip.js'
import { zstd } from '../../../src/record/compression/zstd.js'
import { contents, samples } from '../samples.js'

const snappyjs = createRequire(import.meta.url)('snappyjs') as {
  compress(bytes: Uint8Array): Uint8Array
  uncompress(bytes: Uint8Array): Uint8Array
}

const mebibyte = 1024 * 1024
const noLimit = 64 * mebibyte
const hasCommand = (name: string) => spawnSync(name, ['--version']).error === undefined

/** What batches of all sizes and kinds hold: random ones, each kind at the edges of a block, and each kind at 1 MiB. */
function originals(count: number, seed: number): Uint8Array[] {
  const random = seededRandom(seed)
  const edges = [1, 2, 4, 11, 12, 13, 14, 15, 16, 17, 65535, 65536, 65537, 65549]
  return [
    ...samples(count, mebibyte / 8, random),
    ...[...edges, mebibyte].flatMap(size => Object.values(contents).map(content => content(size, random)))
  ]
}

function run(command: string, args: string[], cwd: string): void {
  const { status, stderr } = spawnSync(command, args, { cwd, maxBuffer: noLimit })
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr.toString().slice(0, 2000)}`)
}

function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) expect(actual).toEqual(expected)
}

describe.each([
  { command: 'lz4', suffix: '.lz4', codec: codecOf('lz4'), name: 'lz4', count: 1500, seed: 21 },
  { command: 'gzip', suffix: '.gz', codec: codecOf('gzip'), name: 'gzip', count: 200, seed: 22 },
  { command: 'gzip', suffix: '.gz', codec: portableGzip, name: 'portable gzip', count: 100, seed: 23 },
  ...(zstd ? [{ command: 'zstd', suffix: '.zst', codec: zstd, name: 'zstd', count: 300, seed: 28 }] : [])
])('our $name and the command $command', ({ command, suffix, codec, count, seed }) => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-codec-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const missing = !hasCommand(command)
  if (missing) console.warn(`The command ${command} is not installed, so our ${codec.type} is not checked against it`)
  const several = command === 'lz4' ? ['-m', '-q', '-f'] : ['-q', '-f', '-k']

  it.skipIf(missing)(`${command} reads what we compress (seed ${seed})`, () => {
    const all = originals(count, seed)
    const names = all.map((_, i) => `ours-${i}`)
    for (const [i, name] of names.entries()) writeFileSync(join(folder, name + suffix), codec.compress(all[i]))
    run(command, ['-d', ...several, ...names.map(name => name + suffix)], folder)
    for (const [i, name] of names.entries()) expectSame(readFileSync(join(folder, name)), all[i])
  })

  const variants: string[][] =
    command === 'lz4'
      ? [['-BX'], ['-9', '-B5', '-BX', '--content-size'], ['-B6', '--no-frame-crc']]
      : command === 'zstd'
        ? [['-3'], ['-19', '--no-check']]
        : [['-1'], ['-6']]
  it.skipIf(missing).each(variants.map(options => ({ options })))(
    `we read what ${command} $options compresses (seed ${seed})`,
    ({ options }) => {
      const all = originals(60, seed)
      const variant = join(folder, options.join(''))
      mkdirSync(variant)
      const names = all.map((_, i) => `theirs-${i}`)
      for (const [i, name] of names.entries()) writeFileSync(join(variant, name), all[i])
      run(command, [...options, ...several, ...names], variant)
      for (const [i, name] of names.entries()) expectSame(codec.decompress(readFileSync(join(variant, name + suffix)), noLimit), all[i])
    }
  )
})

describe.skipIf(!hasCommand('lz4'))('frames of the command lz4', () => {
  const original = contents.text(300_000, seededRandom(27))
  const lz4 = codecOf('lz4')
  const frame = (...options: string[]) => {
    const { status, stdout } = spawnSync('lz4', [...options, '-c'], { input: original, maxBuffer: noLimit })
    expect(status).toBe(0)
    return new Uint8Array(stdout)
  }

  it('with blocks of 64 KiB, back to back and with a skippable frame between, are read', () => {
    const skippable = new Uint8Array([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
    const frames = concatBytes([frame('-B4'), skippable, frame('-B4', '-BX')])
    expectSame(lz4.decompress(frames, noLimit), concatBytes([original, original]))
  })

  it('with blocks that depend on each other, which Kafka refuses, are refused', () => {
    expect(() => lz4.decompress(frame('-BD', '-B4'), noLimit)).toThrow('depend on each other')
  })

  it('are refused with any bit of a checksum wrong', () => {
    const good = frame('-B4', '-BX')
    for (const position of [6, 7 + 4 + new DataView(good.buffer).getInt32(7, true), good.length - 1]) {
      const bad = good.slice()
      bad[position] ^= 0x10
      expect(() => lz4.decompress(bad, noLimit)).toThrow('checksum')
    }
  })
})

describe('our snappy and snappyjs', () => {
  const snappy = codecOf('snappy')
  const all = originals(600, 24)

  it('snappyjs reads what we compress, chunk by chunk (seed 24)', () => {
    for (const original of all)
      expectSame(concatBytes(chunksOf(snappy.compress(original)).map(chunk => snappyjs.uncompress(chunk))), original)
  })

  it('we read what snappyjs compresses, bare, as librdkafka sends it (seed 24)', () => {
    for (const original of all) expectSame(snappy.decompress(snappyjs.compress(original), noLimit), original)
  })

  it('writes the framing of the Java clients: magic, two versions, chunks of 32 KiB', () => {
    const packed = snappy.compress(contents.noise(70_000, seededRandom(25)))
    expect(Buffer.from(packed.subarray(0, 16)).toString('hex')).toBe('82534e41505059000000000100000001')
    expect(chunksOf(packed).map(chunk => snappyjs.uncompress(chunk).length)).toEqual([32768, 32768, 4464])
  })

  function chunksOf(framed: Uint8Array): Uint8Array[] {
    const view = new DataView(framed.buffer, framed.byteOffset, framed.byteLength)
    const chunks: Uint8Array[] = []
    for (let position = 16; position < framed.length; position += 4 + view.getInt32(position)) {
      chunks.push(framed.subarray(position + 4, position + 4 + view.getInt32(position)))
    }
    return chunks
  }
})

describe('both implementations of gzip', () => {
  const native: Codec = codecOf('gzip')

  it('read each other (seed 26)', () => {
    expect(native).not.toBe(portableGzip)
    for (const original of samples(200, 100_000, seededRandom(26))) {
      expectSame(portableGzip.decompress(native.compress(original), noLimit), original)
      expectSame(native.decompress(portableGzip.compress(original), noLimit), original)
    }
  })

  it.each([native, portableGzip])('read members back to back, and refuse other formats of zlib (%#)', codec => {
    const twice = concatBytes([native.compress(Buffer.from('one ')), native.compress(Buffer.from('two'))])
    expect(Buffer.from(codec.decompress(twice, 100)).toString()).toBe('one two')
    const zlibFormat = Buffer.from('789c4b4c4a0600024d0127', 'hex')
    expect(() => codec.decompress(zlibFormat, 100)).toThrow(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
  })
})
