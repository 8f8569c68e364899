import type { Result } from './report.js'
import { median, shown } from './statistics.js'

const colours = { us: '#1f6feb', peer: '#8b949e', floor: '#d0d7de' } as const
const font = 'font-family="system-ui, sans-serif"'

interface Bar {
  readonly name: string
  readonly role: keyof typeof colours
  readonly figure: number
}

/** A chart of one work, as SVG: bars for contestants, or curves where their names carry a quantity. Undefined where there is nothing to draw. */
export function chartOf(result: Result): string | undefined {
  const { work, outcomes } = result
  if (work.chart === null) return undefined
  const metric = work.metrics.find(({ name }) => name === (work.chart ?? work.metrics[0].name))!
  const bars = outcomes.flatMap(({ contestant, readings }): Bar[] => {
    const { role } = work.contestants.find(({ name }) => name === contestant)!
    return readings[metric.name] === undefined ? [] : [{ name: contestant, role, figure: median(readings[metric.name]) }]
  })
  if (bars.length === 0) return undefined
  const heading = `${work.title}: ${metric.title}, ${metric.unit}${metric.better === 'less' ? ' (less is better)' : ''}`
  return work.curve ? curves(heading, bars, work.curve) : barChart(heading, bars)
}

/** Bars beside each other would say nothing about what is a thousand times slower, so they are as long as the figure is large, and the figure stands beside. */
function barChart(heading: string, bars: readonly Bar[]): string {
  const rowHeight = 24
  const [left, width] = [320, 760]
  const longest = Math.max(...bars.map(({ figure }) => figure))
  // One that is far ahead, such as a floor, would leave nothing to see of the others: it is cut.
  const sorted = bars.map(({ figure }) => figure).sort((a, b) => b - a)
  const scale = sorted.length > 2 && longest > 2.5 * sorted[1] ? sorted[1] * 1.25 : longest
  const rows = bars.map(({ name, role, figure }, index) => {
    const y = 40 + index * rowHeight
    const length = Math.max(1, (Math.min(figure, scale) / scale) * (width - left - 80))
    const cut =
      figure > scale
        ? `<path d="M${left + length - 14} ${y + 1}l6 16M${left + length - 8} ${y + 1}l6 16" stroke="#fff" stroke-width="2"/>`
        : ''
    return `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escaped(name)}</text><rect x="${left}" y="${y + 1}" width="${length.toFixed(1)}" height="16" rx="2" fill="${colours[role]}"/>${cut}<text x="${(left + length + 6).toFixed(1)}" y="${y + 13}">${shown(figure)}</text>`
  })
  return svg(width, 50 + bars.length * rowHeight, heading, rows)
}

/** One line per family of names: what is left of a name without its first number. Both axes go by factors. */
function curves(heading: string, bars: readonly Bar[], { over }: { readonly over: string }): string {
  const families = new Map<string, { x: number; y: number }[]>()
  for (const { name, figure } of bars) {
    const number = /[\d,]+/.exec(name)?.[0] ?? '0'
    const family = name.replace(number, '…').replace(/(?<=…[^,]*?)s\b/, '')
    const points = families.get(family) ?? []
    points.push({ x: Number(number.replaceAll(',', '')), y: figure })
    families.set(family, points)
  }
  const points = [...families.values()].flat()
  const [left, top, width, height] = [60, 44, 760, 300]
  const axis = (values: number[], from: number, to: number) => {
    const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))]
    return (value: number) => from + ((Math.log10(value) - low) / (high - low || 1)) * (to - from)
  }
  const x = axis(
    points.map(point => point.x),
    left + 10,
    width - 190
  )
  const ys = points.map(point => point.y)
  const y = axis([Math.min(...ys) * 0.8, Math.max(...ys) * 1.2], height - 40, top)
  const hues = [212, 20, 140, 280, 50, 330]
  const lines = [...families].map(([family, unsorted], index) => {
    const line = unsorted.toSorted((a, b) => a.x - b.x)
    const colour = `hsl(${hues[index % hues.length]} 70% 42%)`
    const dots = line.map(
      point =>
        `<circle cx="${x(point.x).toFixed(1)}" cy="${y(point.y).toFixed(1)}" r="3" fill="${colour}"/><text x="${x(point.x).toFixed(1)}" y="${(y(point.y) - 7).toFixed(1)}" text-anchor="middle" font-size="10">${shown(point.y)}</text>`
    )
    const last = line.at(-1)!
    const path = line.map(point => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(' ')
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}<text x="${(x(last.x) + 10).toFixed(1)}" y="${(y(last.y) + 4).toFixed(1)}" fill="${colour}">${families.size > 1 ? escaped(family) : ''}</text>`
  })
  const ticks = [...new Set(points.map(point => point.x))].map(
    value => `<text x="${x(value).toFixed(1)}" y="${height - 18}" text-anchor="middle" fill="#57606a">${value.toLocaleString('en')}</text>`
  )
  const base = `<path d="M${left} ${height - 34}H${width - 180}" stroke="#8b949e"/><text x="${left}" y="${height - 3}" fill="#57606a">${escaped(over)}</text>`
  return svg(width, height, heading, [base, ...ticks, ...lines])
}

function svg(width: number, height: number, heading: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${font} font-size="12" fill="#24292f">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="24" font-size="14" font-weight="600">${escaped(heading)}</text>`,
    ...parts,
    '</svg>\n'
  ].join('\n')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
