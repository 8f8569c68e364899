/** The ways to compress the records of a batch. */
export type CompressionType = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/**
 * One way to compress the records of a batch. Register your own with `registerCodec`, to add one
 * that the platform lacks or to replace one by a faster one.
 */
export interface Codec {
  readonly type: Exclude<CompressionType, 'none'>
  /**
   * The compressed form. `into`, when given, is memory that the result may be written to; the
   * result is then a view of it.
   */
  compress(bytes: Uint8Array, into?: Uint8Array): Uint8Array
  /**
   * The original bytes, again in `into` if they fit there. Input that is damaged, and output that
   * would exceed `maxBytes`, are refused with an error; memory is only taken as the output really
   * grows, never because the input claims a size. The result never is a view of the input.
   */
  decompress(bytes: Uint8Array, maxBytes: number, into?: Uint8Array): Uint8Array
}
