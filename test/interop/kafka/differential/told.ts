import type { Difference } from './differential.js'

/** A difference in words: the question in one line, and each field under it. */
export function told({ number, question, differing }: Difference): string {
  const { api, version, body, clientId, fault } = question
  const how = [`v${version}`, fault && `${fault.kind} ${fault.at}`, clientId !== 'raw' && `clientId ${clientId}`].filter(Boolean)
  const lines = differing.slice(0, 6).map(line => `    ${line.slice(0, 900)}`)
  return [`#${number} ${api.name} ${how.join(', ')} ${JSON.stringify(body, shown)}`, ...lines].join('\n')
}

function shown(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (value instanceof Uint8Array) return value.length > 100 ? `${value.length} bytes` : Buffer.from(value).toString('hex')
  return typeof value === 'string' && value.length > 200 ? `${value.slice(0, 20)}… (${value.length})` : value
}
