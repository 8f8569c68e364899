import { LocalBroker } from '../../../src/broker/local-broker.js'
import { MemoryStorage } from '../../../src/storage/memory/memory.js'
import { listen } from '../../../src/wire/listener.js'
import { type Check, codecs, type ForeignClient } from './client-round.js'

/**
 * Puts a client through its round against a fresh listener. Returns the cells of its row: name,
 * version, checks passed, what was checked.
 */
export async function listenedRound(client: ForeignClient): Promise<readonly [string, string, string, string]> {
  const why = await client.missing()
  if (why) return [client.name, '', 'not run', why]
  const node = await LocalBroker.open({ storage: new MemoryStorage() })
  const listener = await listen(node)
  const checks = await client.round(listener.address, true)
  await listener.close()
  await node.close()
  const passed = checks.filter(({ problem }) => problem === undefined)
  const version = (await client.version()).replace(/^v/, '')
  return [client.name, version, `${passed.length} of ${checks.length}`, shown(checks)]
}

/** The names of the checks, in one line; those that differ in their last word, a codec, are told together. */
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
