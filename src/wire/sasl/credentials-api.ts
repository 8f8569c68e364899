import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import type { Api, RequestOf, ResponseOf } from '../../protocol/message.js'
import { AlterUserScramCredentials } from '../../protocol/messages/alter-user-scram-credentials.js'
import { DescribeUserScramCredentials } from '../../protocol/messages/describe-user-scram-credentials.js'
import type { ScramMechanism } from './sasl-options.js'
import { credentialOf } from './scram-keys.js'
import type { Users } from './users.js'

/** The two APIs about users (KIP-554), which the listener answers, as it is the one who has users; undefined for all others. */
export function answerScramCredentials(users: Users, api: Api, body: object): object | undefined {
  if (api === DescribeUserScramCredentials) return describe(users, body as RequestOf<typeof DescribeUserScramCredentials>)
  if (api === AlterUserScramCredentials) return alter(users, body as RequestOf<typeof AlterUserScramCredentials>)
  return undefined
}

const mechanismByNumber: Readonly<Record<number, ScramMechanism>> = { 1: 'SCRAM-SHA-256', 2: 'SCRAM-SHA-512' }
const numberOf = (mechanism: ScramMechanism) => (mechanism === 'SCRAM-SHA-256' ? 1 : 2)
/** The bounds of Kafka. */
const leastIterations = 4096
const mostIterations = 16384

function describe(
  users: Users,
  { users: asked }: RequestOf<typeof DescribeUserScramCredentials>
): ResponseOf<typeof DescribeUserScramCredentials> {
  const names = asked?.length ? asked.map(({ name }) => name) : users.names
  const twice = new Set(names.filter((name, i) => names.indexOf(name) !== i))
  const results = [...new Set(names)].map(user => {
    const credentialInfos = [...users.of(user)].map(([mechanism, { iterations }]) => ({ mechanism: numberOf(mechanism), iterations }))
    const found = { user, errorCode: 0, credentialInfos }
    if (twice.has(user)) return { ...found, ...failure('DUPLICATE_RESOURCE', `The user ${user} is named twice`), credentialInfos: [] }
    return credentialInfos.length > 0 ? found : { ...found, ...failure('RESOURCE_NOT_FOUND', `There is no user ${user}`) }
  })
  return { errorCode: 0, results }
}

function alter(users: Users, request: RequestOf<typeof AlterUserScramCredentials>): ResponseOf<typeof AlterUserScramCredentials> {
  const { deletions, upsertions } = request
  const changes = [...deletions, ...upsertions]
  const errors = new Map<string, { errorCode: number; errorMessage: string }>()
  const seen = new Set<string>()
  for (const { name, mechanism } of changes) {
    const key = `${mechanism} ${name}`
    if (name === '') errors.set(name, failure('UNACCEPTABLE_CREDENTIAL', 'A user needs a name'))
    else if (!mechanismByNumber[mechanism]) errors.set(name, failure('UNSUPPORTED_SASL_MECHANISM', 'The mechanism is not known'))
    else if (seen.has(key)) errors.set(name, failure('DUPLICATE_RESOURCE', 'A credential is changed twice in one request'))
    seen.add(key)
  }
  for (const { name, iterations } of upsertions) {
    if (iterations >= leastIterations && iterations <= mostIterations) continue
    errors.set(name, failure('UNACCEPTABLE_CREDENTIAL', `Iterations must be from ${leastIterations} to ${mostIterations}`))
  }
  for (const { name, mechanism } of deletions) {
    if (errors.has(name) || users.get(name, mechanismByNumber[mechanism])) continue
    errors.set(name, failure('RESOURCE_NOT_FOUND', 'There is no such credential'))
  }
  for (const { name, mechanism } of deletions) if (!errors.has(name)) users.remove(name, mechanismByNumber[mechanism])
  for (const { name, mechanism: number, iterations, salt, saltedPassword } of upsertions) {
    if (errors.has(name)) continue
    const mechanism = mechanismByNumber[number]
    users.set(name, mechanism, credentialOf(mechanism, saltedPassword.slice(), salt.slice(), iterations))
  }
  const names = [...new Set(changes.map(({ name }) => name))]
  return { results: names.map(user => ({ user, errorCode: 0, ...errors.get(user) })) }
}

function failure(code: ProtocolErrorCode, errorMessage: string) {
  return { errorCode: errorNumber(code), errorMessage }
}
