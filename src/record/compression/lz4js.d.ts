declare module 'lz4js' {
  /**
   * Compresses `length` bytes of `source` from `start` on into one LZ4 block at the start of
   * `target`. Returns the size of the block, or 0 when nothing could be saved. `table` (65,536
   * entries) must be cleared before, or hold what a block before it left.
   */
  function compressBlock(source: Uint8Array, target: Uint8Array, start: number, length: number, table: Uint16Array | Uint32Array): number
  const lz4js: { compressBlock: typeof compressBlock }
  export default lz4js
}
