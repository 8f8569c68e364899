interface Piece {
  readonly fits: (char: string) => boolean
  readonly isOptional: boolean
  readonly mayRepeat: boolean
}

const special = new Set('()[]{}^$')

/**
 * A pattern of regular expressions that is matched in a time that grows with the text alone, as one
 * from a client must be: plain characters, `.`, `\` before a special one, sets such as `[a-z]`,
 * each perhaps followed by `*`, `+` or `?`, and alternatives between `|`. It has to fit the whole
 * text.
 */
export class SimplePattern {
  readonly #alternatives: readonly (readonly Piece[])[]

  private constructor(alternatives: readonly (readonly Piece[])[]) {
    this.#alternatives = alternatives
  }

  /** Undefined for a pattern that is more, or nothing that could be read. */
  static parse(text: string): SimplePattern | undefined {
    const alternatives: Piece[][] = [[]]
    for (let at = 0; at < text.length; ) {
      if (text[at] === '|') {
        alternatives.push([])
        at++
        continue
      }
      const atom = atomAt(text, at)
      if (!atom) return undefined
      const quantifier = text[atom.end]
      const isQuantified = quantifier === '*' || quantifier === '+' || quantifier === '?'
      const isOptional = quantifier === '*' || quantifier === '?'
      const mayRepeat = quantifier === '*' || quantifier === '+'
      alternatives[alternatives.length - 1].push({ fits: atom.fits, isOptional, mayRepeat })
      at = atom.end + (isQuantified ? 1 : 0)
      if (isQuantified && '*+?'.includes(text[at] ?? ' ')) return undefined
    }
    return new SimplePattern(alternatives)
  }

  test(text: string): boolean {
    return this.#alternatives.some(pieces => fitsAll(pieces, text))
  }
}

function atomAt(text: string, at: number): { readonly fits: Piece['fits']; readonly end: number } | undefined {
  const char = text[at]
  if (char === '.') return { fits: () => true, end: at + 1 }
  if (char === '\\') {
    const escaped = text[at + 1]
    // Letters and digits stand for classes there.
    return escaped === undefined || /\w/.test(escaped) ? undefined : { fits: each => each === escaped, end: at + 2 }
  }
  if (char === '[') return setAt(text, at)
  return special.has(char) || '*+?'.includes(char) ? undefined : { fits: each => each === char, end: at + 1 }
}

function setAt(text: string, at: number): ReturnType<typeof atomAt> {
  const end = text.indexOf(']', at + 2)
  if (end < 0) return undefined
  const isNegated = text[at + 1] === '^'
  const members = text.slice(at + (isNegated ? 2 : 1), end)
  if (members === '' || /[[\\&]/.test(members)) return undefined
  const ranges: [string, string][] = []
  for (let i = 0; i < members.length; i++) {
    const isRange = members[i + 1] === '-' && i + 2 < members.length
    ranges.push([members[i], isRange ? members[i + 2] : members[i]])
    if (isRange) i += 2
  }
  return { fits: char => ranges.some(([from, to]) => char >= from && char <= to) !== isNegated, end: end + 1 }
}

/** Goes through the text once, with all places of the pattern that may be reached. */
function fitsAll(pieces: readonly Piece[], text: string): boolean {
  const open = (places: Set<number>, place: number) => {
    for (let next = place; ; next++) {
      places.add(next)
      if (next >= pieces.length || !pieces[next].isOptional) return
    }
  }
  let places = new Set<number>()
  open(places, 0)
  for (const char of text) {
    const next = new Set<number>()
    for (const place of places) {
      if (place >= pieces.length || !pieces[place].fits(char)) continue
      if (pieces[place].mayRepeat) next.add(place)
      open(next, place + 1)
    }
    if (next.size === 0) return false
    places = next
  }
  return places.has(pieces.length)
}
