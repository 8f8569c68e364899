const { hrtime } = process
const isReal = /^function hrtime\(/.test(String(hrtime))

/**
 * The kernel's monotonic clock, in ms, which all processes of its time namespace share; undefined
 * where a test runner has put a fake in its place.
 */
export function kernelMs(): number | undefined {
  if (!isReal) return undefined
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
