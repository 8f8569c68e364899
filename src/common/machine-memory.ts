/** The part of Node's `process` that tells about memory; other platforms lack it. */
interface Platform {
  readonly process?: {
    constrainedMemory?(): number | undefined
    getBuiltinModule?(name: 'node:os'): { totalmem(): number }
    getBuiltinModule?(name: 'node:v8'): { getHeapStatistics(): { readonly heap_size_limit: number } }
  }
}

/** The assumed memory of a machine that does not tell. */
const assumedBytes = 2 * 1024 * 1024 * 1024

/**
 * Bytes of memory that this process could use: those of the machine, or what its container allows.
 */
export function machineMemoryBytes(): number {
  const { process } = globalThis as Platform
  const total = process?.getBuiltinModule?.('node:os').totalmem() ?? assumedBytes
  const allowed = process?.constrainedMemory?.() ?? 0
  // Node says 0, or more than there is, where nothing is constrained.
  return allowed > 0 ? Math.min(allowed, total) : total
}

/** Bytes that the objects of this process may take before it ends for want of memory. */
export function heapLimitBytes(): number {
  const { process } = globalThis as Platform
  return process?.getBuiltinModule?.('node:v8').getHeapStatistics().heap_size_limit ?? assumedBytes
}
