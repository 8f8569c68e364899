import { LocalBroker } from '../../../src/broker/local-broker.js'
import { MemoryStorage } from '../../../src/storage/memory.js'
import { listen } from '../../../src/wire/listener.js'
import { clients } from './clients.js'

/** Prints, as Markdown, which client passes what: npx tsx test/interop/clients/table.ts (with a Node that has zstd, for all codecs). */
const zstd = process.versions.zstd !== undefined
console.log('| client | version | checks passed | what was checked |\n|---|---|---|---|')
for (const client of clients) {
  const why = await client.missing()
  if (why) {
    console.log(`| ${client.name} | | not run | ${why} |`)
    continue
  }
  const node = await LocalBroker.open({ storage: new MemoryStorage() })
  const listener = await listen(node)
  const checks = await client.round(listener.address, zstd)
  await listener.close()
  await node.close()
  const passed = checks.filter(({ problem }) => problem === undefined)
  const shown = checks.map(({ what, problem }) => (problem === undefined ? what : `**${what}: ${problem}**`)).join('; ')
  console.log(`| ${client.name} | ${await client.version()} | ${passed.length} of ${checks.length} | ${shown} |`)
}
process.exit(0)
