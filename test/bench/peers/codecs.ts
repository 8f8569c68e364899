import { createRequire } from 'node:module'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { CompressionType } from 'millrace'
import { Missing } from '../contest.js'
import { home } from './millrace.js'

/** What one codec does with a block of bytes. */
export interface BlockCodec {
  compress(bytes: Uint8Array): Uint8Array
  decompress(bytes: Uint8Array): Uint8Array
}

/** From what the project itself has installed. */
const require = createRequire(new URL('../../../../package.json', import.meta.url))
const mostBytes = 64 * 1024 * 1024

/** The codec that stands behind a compression type of the library. */
export async function ours(type: Exclude<CompressionType, 'none'>): Promise<BlockCodec> {
  const { codecOf } = (await import(
    new URL('record/compression/codec.js', home).href
  )) as typeof import('../../../dist/record/compression/codec.js')
  try {
    const codec = codecOf(type)
    // As a batch builder does: into memory that it keeps.
    const [packed, plain] = [new Uint8Array(256 * 1024), new Uint8Array(256 * 1024)]
    return { compress: bytes => codec.compress(bytes, packed).slice(), decompress: bytes => codec.decompress(bytes, mostBytes, plain) }
  } catch {
    throw new Missing(`Node ${process.version} has no ${type}`)
  }
}

export async function zlib(): Promise<BlockCodec> {
  return { compress: bytes => gzipSync(bytes), decompress: bytes => gunzipSync(bytes) }
}

export async function pako(): Promise<BlockCodec> {
  const { gzip, ungzip } = require('pako')
  return { compress: gzip, decompress: ungzip }
}

/** By its documented functions. */
export async function lz4js(): Promise<BlockCodec> {
  const { compress, decompress } = require('lz4js')
  return { compress, decompress }
}

export async function snappyjs(): Promise<BlockCodec> {
  const { compress, uncompress } = require('snappyjs')
  return { compress, decompress: uncompress }
}
