/**
 * Tells whether memory stays flat, given resident MiB second by second. Between two collections it
 * grows anyway, and in the beginning logs fill: what counts is how low it falls in the middle
 * third, and in the last.
 */
export function tellMemoryTrend(memory: readonly number[], mostGrowth: number): boolean {
  const third = Math.floor(memory.length / 3)
  const [early, late] = [Math.min(...memory.slice(third, -third)), Math.min(...memory.slice(-third))]
  const isFlat = late <= early * mostGrowth
  console.log(`from ${early} to ${late} MiB: ${isFlat ? 'flat' : 'it grows'}`)
  return isFlat
}
