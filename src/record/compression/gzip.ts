import * as pako from 'pako'
import { concatBytes } from '../../common/bytes.js'
import type { Codec } from './codec.js'
import { damaged, tooLarge } from './failure.js'
import { type NodeZlib, nodeZlib, plainBytes } from './platform.js'

/** Tells zlib to take the gzip format and no other, with the largest window. */
const gzipOnly = 16 + 15

/** gzip by pako, which runs everywhere. */
export const portableGzip: Codec = {
  type: 'gzip',
  compress: bytes => pako.gzip(bytes),
  decompress(bytes, maxBytes) {
    const parts: Uint8Array[] = []
    let size = 0
    const inflate = new pako.Inflate({ windowBits: gzipOnly })
    inflate.onData = chunk => {
      size += chunk.length
      if (size > maxBytes) throw tooLarge('gzip', maxBytes)
      parts.push(chunk)
    }
    inflate.push(bytes, true)
    if (inflate.err !== 0 || !inflate.ended) throw damaged('gzip', inflate.msg || 'it ends too early')
    return parts.length === 1 ? parts[0] : concatBytes(parts)
  }
}

function nativeGzip(zlib: NodeZlib): Codec {
  return {
    type: 'gzip',
    compress: bytes => plainBytes(zlib.gzipSync(bytes)),
    decompress(bytes, maxBytes) {
      try {
        return plainBytes(zlib.gunzipSync(bytes, { maxOutputLength: maxBytes }))
      } catch (error) {
        throw (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE'
          ? tooLarge('gzip', maxBytes)
          : damaged('gzip', (error as Error).message, error)
      }
    }
  }
}

/** gzip by what is fastest here: `node:zlib`, else pako. */
export const gzip: Codec = nodeZlib ? nativeGzip(nodeZlib) : portableGzip
