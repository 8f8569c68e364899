import { codecOf } from '../../src/record/compression/codecs.js'
import { portableGzip } from '../../src/record/compression/gzip.js'
import { zstd } from '../../src/record/compression/zstd.js'
import { codecContract } from './codec.js'

codecContract('gzip', codecOf('gzip'))
codecContract('portable gzip', portableGzip)
codecContract('snappy', codecOf('snappy'))
codecContract('lz4', codecOf('lz4'))
if (zstd) codecContract('zstd', zstd)
