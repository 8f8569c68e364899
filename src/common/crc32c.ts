/** CRC-32C (Castagnoli) of the bytes in [start, end), as an unsigned number. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  return crc32cByTables(bytes, start, end)
}

const polynomial = 0x82f63b78
const slices = 16

/** Table k holds what a byte adds to the CRC when k further bytes follow it. */
const tables = /* @__PURE__ */ (() => {
  const all = Array.from({ length: slices }, () => new Int32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    all[0][byte] = crc
  }
  for (let k = 1; k < slices; k++) {
    for (let byte = 0; byte < 256; byte++) all[k][byte] = (all[k - 1][byte] >>> 8) ^ all[0][all[k - 1][byte] & 0xff]
  }
  return all
})()

const [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = tables

/** The same in plain JavaScript, sixteen bytes a step. */
export function crc32cByTables(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = -1
  let i = start
  for (const last = end - slices; i <= last; i += slices) {
    crc =
      t15[(crc ^ bytes[i]) & 0xff] ^
      t14[((crc >>> 8) ^ bytes[i + 1]) & 0xff] ^
      t13[((crc >>> 16) ^ bytes[i + 2]) & 0xff] ^
      t12[(crc >>> 24) ^ bytes[i + 3]] ^
      t11[bytes[i + 4]] ^
      t10[bytes[i + 5]] ^
      t9[bytes[i + 6]] ^
      t8[bytes[i + 7]] ^
      t7[bytes[i + 8]] ^
      t6[bytes[i + 9]] ^
      t5[bytes[i + 10]] ^
      t4[bytes[i + 11]] ^
      t3[bytes[i + 12]] ^
      t2[bytes[i + 13]] ^
      t1[bytes[i + 14]] ^
      t0[bytes[i + 15]]
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]) & 0xff]
  return ~crc >>> 0
}
