/** The middle one, or the mean of the middle two. */
export function median(figures: readonly number[]): number {
  const sorted = figures.slice().sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** What so many hundredths of the figures are at or below. Sorts them. */
export function percentile(figures: Float64Array, percent: number): number {
  figures.sort()
  return figures[Math.min(figures.length - 1, Math.ceil((figures.length * percent) / 100) - 1)]
}

/** A figure with three digits that matter. */
export function shown(figure: number): string {
  if (!Number.isFinite(figure)) return '–'
  const size = Math.abs(figure)
  if (size >= 1000) return Math.round(figure).toLocaleString('en')
  if (size >= 100) return figure.toFixed(0)
  if (size >= 10) return figure.toFixed(1)
  return size >= 0.1 || size === 0 ? figure.toFixed(2) : figure.toFixed(3)
}
