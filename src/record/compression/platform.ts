import type * as nodeModule from 'node:module'
import type * as zlib from 'node:zlib'

/** The parts of `node:zlib` that the codecs use; zstd is there from Node 22.15 and 23.8 on. */
export interface NodeZlib extends Pick<typeof zlib, 'gzipSync' | 'gunzipSync'> {
  zstdCompressSync?(bytes: Uint8Array): Uint8Array
  zstdDecompressSync?(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array
}

const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } }

/** `node:zlib`, where the platform is Node or offers its modules. */
export const nodeZlib = process?.getBuiltinModule?.('node:zlib') as NodeZlib | undefined

/**
 * A package that need not be installed; undefined where it is not. Loaded by `require`, since
 * codecs are synchronous.
 */
export function optionalPackage(name: string): unknown {
  const module = process?.getBuiltinModule?.('node:module') as typeof nodeModule | undefined
  if (!module) return undefined
  try {
    return module.createRequire(import.meta.url)(name)
  } catch {
    return undefined
  }
}

/** A Buffer as the Uint8Array that everyone expects: a mixture of the two is slow to read. */
export function plainBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
