import { readFileSync, writeFileSync } from 'node:fs'
import { clients } from './clients.js'
import { listenedRound } from './listened-round.js'

/** Writes into docs/clients.md which client passes what: npx tsx test/interop/clients/table.ts. */
const today = new Date().toISOString().slice(0, 10)
const lines = [`| client | version | checks passed on ${today} | what was checked |`, '|---|---|---|---|']
for (const client of clients) {
  lines.push(`| ${(await listenedRound(client)).join(' | ')} |`)
  console.log(lines.at(-1))
}
const page = new URL('../../../docs/clients.md', import.meta.url)
writeFileSync(
  page,
  readFileSync(page, 'utf8').replace(/\| client \|[\s\S]*?\n(?=\n)/, () => `${lines.join('\n')}\n`)
)
process.exit(0)
