import { errorNumber, type ProtocolErrorCode } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { AlterUserScramCredentials } from '../protocol/messages/alter-user-scram-credentials.js'
import type { DescribeUserScramCredentials } from '../protocol/messages/describe-user-scram-credentials.js'
import type { MetadataDecision } from './cluster-metadata.js'
import type { MetadataRecord } from './records.js'
import { repeatedIn } from './refusal.js'
import type { ScramCredentialState, ScramCredentials } from './scram-state.js'

/** The mechanisms of SCRAM by Kafka's numbers, and the hash that each is made with. */
export const scramHashes: ReadonlyMap<number, 'SHA-256' | 'SHA-512'> = new Map([
  [1, 'SHA-256'],
  [2, 'SHA-512']
] as const)

/** The bounds of Kafka. */
const leastIterations = 4096
const mostIterations = 16384
/** Characters of a user's name, and bytes of a salt. */
const longestName = 1024

type Alter = RequestOf<typeof AlterUserScramCredentials>
export type ScramUpsertion = Alter['upsertions'][number]
export type ScramKeys = Pick<ScramCredentialState, 'storedKey' | 'serverKey'>

/** The users that a request changes, each once. */
export function usersIn({ deletions, upsertions }: Alter): string[] {
  return [...new Set([...deletions, ...upsertions].map(({ name }) => name))]
}

/**
 * Decides on changes of users (KIP-554): all changes of a user are made, or none. `keys` are those
 * of each upsertion that is valid by itself.
 */
export function alterUserScramCredentials(
  credentials: ScramCredentials,
  request: Alter,
  keys: ReadonlyMap<ScramUpsertion, ScramKeys>,
  mostUsers: number = Number.POSITIVE_INFINITY
): MetadataDecision<ResponseOf<typeof AlterUserScramCredentials>> {
  const { deletions, upsertions } = request
  const errors = new Map<string, { errorCode: number; errorMessage: string }>()
  for (const name of repeatedIn([...deletions, ...upsertions].map(({ name }) => name)))
    errors.set(name, failure('DUPLICATE_RESOURCE', 'A user is changed twice in one request'))
  for (const { name, mechanism } of deletions) {
    const problem = problemOfUser(name, mechanism)
    if (problem) errors.set(name, problem)
    else if (!credentials.get(name)?.has(mechanism)) errors.set(name, failure('RESOURCE_NOT_FOUND', 'There is no such credential'))
  }
  for (const upsertion of upsertions) {
    const problem = problemOfUpsertion(upsertion)
    if (problem) errors.set(upsertion.name, problem)
  }
  const added = new Set(upsertions.map(({ name }) => name).filter(name => !credentials.has(name) && !errors.has(name)))
  if (added.size > 0 && credentials.size + added.size > mostUsers)
    for (const name of added)
      errors.set(name, failure('POLICY_VIOLATION', `There is no room for the user: \`millrace.max.users\` allows ${mostUsers}`))
  const records: MetadataRecord[] = []
  for (const { name, mechanism } of deletions) if (!errors.has(name)) records.push({ type: 'removeUserScramCredential', name, mechanism })
  for (const upsertion of upsertions) {
    const { name, mechanism, salt, iterations } = upsertion
    const found = keys.get(upsertion)
    if (found && !errors.has(name)) records.push({ type: 'userScramCredential', name, mechanism, salt, iterations, ...found })
  }
  return { response: { results: usersIn(request).map(user => ({ user, errorCode: 0, ...errors.get(user) })) }, records }
}

export function problemOfUpsertion({ name, mechanism, iterations, salt, saltedPassword }: ScramUpsertion) {
  const problem = problemOfUser(name, mechanism)
  if (problem) return problem
  if (iterations < leastIterations || iterations > mostIterations)
    return failure('UNACCEPTABLE_CREDENTIAL', `Iterations must be from ${leastIterations} to ${mostIterations}`)
  if (name.length > longestName) return failure('UNACCEPTABLE_CREDENTIAL', `The name of a user has at most ${longestName} characters`)
  if (salt.length > longestName) return failure('UNACCEPTABLE_CREDENTIAL', `A salt has at most ${longestName} bytes`)
  return saltedPassword.length === 0 ? failure('UNACCEPTABLE_CREDENTIAL', 'There is no salted password') : undefined
}

function problemOfUser(name: string, mechanism: number) {
  if (name === '') return failure('UNACCEPTABLE_CREDENTIAL', 'A user needs a name')
  return scramHashes.has(mechanism) ? undefined : failure('UNSUPPORTED_SASL_MECHANISM', 'The mechanism is not known')
}

/** Tells which users there are and how their passwords are kept; not what is kept. */
export function describeUserScramCredentials(
  credentials: ScramCredentials,
  { users }: RequestOf<typeof DescribeUserScramCredentials>
): ResponseOf<typeof DescribeUserScramCredentials> {
  const names = users?.length ? users.map(({ name }) => name) : [...credentials.keys()].sort()
  const repeated = repeatedIn(names)
  const results = [...new Set(names)].map(user => {
    const credentialInfos = [...(credentials.get(user) ?? [])].map(([mechanism, { iterations }]) => ({ mechanism, iterations }))
    if (repeated.has(user)) return { user, ...failure('DUPLICATE_RESOURCE', `The user ${user} is named twice`), credentialInfos: [] }
    if (credentialInfos.length === 0) return { user, ...failure('RESOURCE_NOT_FOUND', `There is no user ${user}`), credentialInfos }
    return { user, errorCode: 0, credentialInfos }
  })
  return { errorCode: 0, results }
}

function failure(code: ProtocolErrorCode, errorMessage: string) {
  return { errorCode: errorNumber(code), errorMessage }
}
