import type { Codec } from './codec.js'
import { damaged, tooLarge } from './failure.js'
import { nodeZlib, plainBytes } from './platform.js'

/** zstd, where `node:zlib` has it (Node 22.15, 23.8 and newer), else `undefined`. */
export const zstd: Codec | undefined = nativeZstd()

function nativeZstd(): Codec | undefined {
  const compress = nodeZlib?.zstdCompressSync
  const decompress = nodeZlib?.zstdDecompressSync
  if (!compress || !decompress) return undefined
  return {
    type: 'zstd',
    compress: bytes => plainBytes(compress(bytes)),
    decompress(bytes, maxBytes) {
      if (bytes.length === 0) throw damaged('zstd', 'there is no frame')
      try {
        return plainBytes(decompress(bytes, { maxOutputLength: maxBytes }))
      } catch (error) {
        const { code, message } = error as Error & { code?: string }
        throw code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge('zstd', maxBytes) : damaged('zstd', message, error)
      }
    }
  }
}
