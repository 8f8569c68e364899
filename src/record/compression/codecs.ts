import { wrongAnswer } from '../../common/foreign.js'
import { expectFunctions, expectOneOf } from '../../common/options.js'
import { KafkaError } from '../../errors.js'
import type { Codec, CompressionType } from './codec.js'
import { gzip } from './gzip.js'
import { lz4 } from './lz4.js'
import { snappy } from './snappy.js'
import { zstd } from './zstd.js'
import { zstdDecoder } from './zstd-decoder.js'

/** By the number that stands in the attributes of a batch. */
const compressionTypes: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

const codecs = new Map<CompressionType, Codec>()
for (const codec of [gzip, snappy, lz4, zstd]) if (codec) codecs.set(codec.type, codec)

/**
 * The decoder of a compression type. Where the platform cannot write zstd, an optional package may
 * still read it.
 */
export function decoderOf(type: CompressionType): Pick<Codec, 'decompress'> {
  if (type === 'zstd' && !codecs.has('zstd')) {
    const decompress = zstdDecoder()
    if (decompress) return { decompress }
    throw new KafkaError(
      'UNSUPPORTED_COMPRESSION_TYPE',
      'This platform has no zstd: use Node 22.15 or newer, install the package `fzstd`, or add a codec with registerCodec'
    )
  }
  return codecOf(type)
}

/**
 * The codec for a compression type. Throws a `KafkaError` with the code
 * `UNSUPPORTED_COMPRESSION_TYPE` when there is none.
 */
export function codecOf(type: CompressionType): Codec {
  const codec = codecs.get(type)
  if (codec) return codec
  throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `There is no codec for the compression type ${type}; add one with registerCodec`)
}

/** Checks what a function of a codec, which may be a user's, returned. */
export function expectCoded(type: CompressionType, name: 'compress' | 'decompress', given: Uint8Array): Uint8Array {
  if (given instanceof Uint8Array) return given
  throw wrongAnswer(`Expected \`${name}\` of the codec for ${type} to return a Uint8Array`, given)
}

/** Adds a codec to the process, or puts it in the place of the one that had its type. */
export function registerCodec(codec: Codec): void {
  expectFunctions('codec', codec, ['compress', 'decompress'], 'a codec')
  expectOneOf('codec.type', codec.type, compressionTypes.slice(1))
  codecs.set(codec.type, codec)
}

/** The number that stands for a compression type in the attributes of a batch. */
export function compressionId(type: CompressionType): number {
  return compressionTypes.indexOf(type)
}

/** The compression type behind a number; numbers without one are refused. */
export function compressionTypeOf(id: number): CompressionType {
  const type = compressionTypes[id]
  if (type) return type
  throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `There is no compression type ${id}`)
}
