const byte = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const version4 = new RegExp(`^${byte}(?:\\.${byte}){3}$`)
const group = /^[0-9a-f]{1,4}$/i

/** True if a text is an address of IPv4 or IPv6. */
export function isAddress(text: string): boolean {
  return version4.test(text) || groupsOf(text) !== undefined
}

/**
 * The one form of an address that can be written in several, as those of IPv6 can; any other text
 * as it is.
 */
export function canonicalAddress(text: string): string {
  const groups = version4.test(text) ? undefined : groupsOf(text)
  if (!groups) return text
  const isMapped = groups.slice(0, 5).every(each => each === 0) && groups[5] === 0xffff
  if (isMapped) return [groups[6] >> 8, groups[6] & 255, groups[7] >> 8, groups[7] & 255].join('.')
  return groups.map(each => each.toString(16)).join(':')
}

/** The eight numbers of an address of IPv6; undefined for anything else. */
function groupsOf(text: string): number[] | undefined {
  const [address] = text.split('%', 1)
  const halves = address.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(half => (half === '' ? [] : half.split(':').flatMap(numbersOf)))
  const groups = tail ? [...head, ...new Array(Math.max(0, 8 - head.length - tail.length)).fill(0), ...tail] : head
  const isWhole = groups.length === 8 && (!tail || head.length + tail.length < 8)
  return isWhole && groups.every(each => Number.isInteger(each)) ? groups : undefined
}

function numbersOf(part: string): number[] {
  if (version4.test(part)) {
    const [a, b, c, d] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  }
  return [group.test(part) ? Number.parseInt(part, 16) : Number.NaN]
}
