import { readFileSync, writeFileSync } from 'node:fs'
import { listenedRound } from './listened-round.js'
import { platforms } from './platforms.js'

/**
 * Runs platforms against a listener, and writes their rows into docs/clients.md:
 * npm run platforms -- [streams] [mirrorMaker] [flink] [spark]
 */
const given = process.argv.slice(2)
const unknown = given.filter(name => !(name in platforms))
if (unknown.length > 0) throw new TypeError(`Expected names of platforms (${Object.keys(platforms).join(', ')}), got ${unknown.join(', ')}`)
const page = new URL('../../../docs/clients.md', import.meta.url)
const today = new Date().toISOString().slice(0, 10)
for (const platform of given.length > 0 ? given : Object.keys(platforms)) {
  const [name, version, passed, what] = await listenedRound(platforms[platform])
  const row = `| ${name} | ${version} | ${passed} | ${today} | ${what} |`
  console.log(row)
  writeFileSync(page, withRow(readFileSync(page, 'utf8'), name, row))
}
process.exit(0)

/** The page with this row in the table of platforms: in place of that of its name, or at the end. */
function withRow(text: string, name: string, row: string): string {
  return text.replace(/\| platform \|[\s\S]*?\n(?=\n)/, table => {
    const rows = table.trimEnd().split('\n')
    const place = rows.findIndex(each => each.startsWith(`| ${name} |`))
    if (place >= 0) rows[place] = row
    else rows.push(row)
    return `${rows.join('\n')}\n`
  })
}
