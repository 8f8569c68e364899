/** The known name that a misspelt one most likely stands for; undefined when none is near. */
export function nearestOf(given: string, known: readonly string[]): string | undefined {
  const wanted = plain(given)
  let nearest: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const name of known) {
    const candidate = plain(name)
    const longer = Math.max(wanted.length, candidate.length)
    const isPart = wanted.length > 3 && candidate.length > 3 && (candidate.startsWith(wanted) || wanted.startsWith(candidate))
    const distance = isPart ? 0.5 : editDistance(wanted, candidate)
    if (distance >= least || distance > Math.max(1, Math.floor(longer / 3))) continue
    least = distance
    nearest = name
  }
  return nearest
}

/** The form that `lingerMs`, `linger.ms` and `LINGER_MS` share. */
function plain(name: string): string {
  return name
    .slice(0, longest)
    .replace(/[^a-zA-Z0-9]/g, '')
    .toLowerCase()
}

const longest = 100

/**
 * The number of edits between two words: characters added, removed, changed, or swapped with the
 * next.
 */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const change = last[column - 1] + Number(a[row - 1] !== b[column - 1])
      current[column] = Math.min(change, last[column] + 1, current[column - 1] + 1)
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (isSwapped) current[column] = Math.min(current[column], beforeLast[column - 2] + 1)
    }
    beforeLast = last
    last = current
  }
  return last[b.length]
}
