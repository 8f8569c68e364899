import { readFileSync, writeFileSync } from 'node:fs'
import { LocalBroker } from '../../../src/broker/local-broker.js'
import { MemoryStorage } from '../../../src/storage/memory/memory.js'
import { listen } from '../../../src/wire/listener.js'
import type { Check } from './client-round.js'
import { codecs } from './client-round.js'
import { clients } from './clients.js'

/** Writes into docs/clients.md which client passes what: npx tsx test/interop/clients/table.ts. */
const lines = ['| client | version | checks passed | what was checked |', '|---|---|---|---|']
for (const client of clients) {
  const why = await client.missing()
  if (why) {
    lines.push(`| ${client.name} | | not run | ${why} |`)
    continue
  }
  const node = await LocalBroker.open({ storage: new MemoryStorage() })
  const listener = await listen(node)
  const checks = await client.round(listener.address, true)
  await listener.close()
  await node.close()
  const passed = checks.filter(({ problem }) => problem === undefined)
  lines.push(`| ${client.name} | ${(await client.version()).replace(/^v/, '')} | ${passed.length} of ${checks.length} | ${shown(checks)} |`)
  console.log(lines.at(-1))
}
const page = new URL('../../../docs/clients.md', import.meta.url)
writeFileSync(page, readFileSync(page, 'utf8').replace(/\| client \|[\s\S]*?\n(?=\n)/, `${lines.join('\n')}\n`))
process.exit(0)

/** What was checked; checks that differ in their last word, a codec, are told together. */
function shown(checks: readonly Check[]): string {
  const parts: string[] = []
  let before = ''
  for (const { what, problem } of checks) {
    const [, start = '', last = ''] = /^(.*) (\S+)$/.exec(what) ?? []
    const isCodec = codecs.some(codec => codec === last)
    if (problem !== undefined) parts.push(`**${what}: ${problem}**`)
    else if (isCodec && start === before) parts.push(`${parts.pop()}, ${last}`)
    else parts.push(what)
    before = problem === undefined && isCodec ? start : ''
  }
  return parts.join('; ')
}
