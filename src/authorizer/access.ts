import { type Clock, within } from '../common/clock.js'
import { isPromise, type MaybePromise, whenThere } from '../common/deferred.js'
import { shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { AclStore } from '../metadata/acls.js'
import {
  type AccessRules,
  type AclResourceType,
  type AuthorizedOperation,
  type AuthorizeRequest,
  aclOperations,
  aclResourceTypes,
  clusterName
} from '../protocol/access.js'
import { allowedByAcls, allowedSomewhere } from './acl-rules.js'

/** The client that asks. */
export interface Asker {
  readonly principal: string
  readonly host: string
  readonly clientId: string
}

/** The parts of the node that an access needs. */
export interface AccessParts {
  readonly acls: Pick<AclStore, 'all' | 'matching'>
  readonly clock: Clock
  /** Tells of an `authorize` function that failed. */
  readonly tell: (error: unknown, during: string) => void
}

/** The most questions of one client that are put to an `authorize` function at the same time. */
const mostAtOnce = 64

/** The operations that each kind of resource has. */
const operationsOf: { readonly [T in AclResourceType]?: readonly AuthorizedOperation[] } = {
  topic: ['read', 'write', 'create', 'delete', 'alter', 'describe', 'describeConfigs', 'alterConfigs'],
  group: ['read', 'delete', 'describe', 'describeConfigs', 'alterConfigs'],
  cluster: ['create', 'alter', 'describe', 'clusterAction', 'describeConfigs', 'alterConfigs', 'idempotentWrite']
}

/**
 * The rights of one client. Answers come without a promise, unless the rules have an asynchronous
 * `authorize` function.
 */
export class Access {
  readonly #asker: Asker
  readonly #rules: AccessRules
  readonly #parts: AccessParts
  readonly #api: string

  constructor(asker: Asker, rules: AccessRules, parts: AccessParts, api = '') {
    this.#asker = asker
    this.#rules = rules
    this.#parts = parts
    this.#api = api
  }

  /** The same access while this API is used. */
  during(api: string): Access {
    return this.#rules.authorize ? new Access(this.#asker, this.#rules, this.#parts, api) : this
  }

  may(operation: AuthorizedOperation, type: AclResourceType, name: string): MaybePromise<boolean> {
    if (!this.#mayByAcls(operation, type, name)) return false
    return this.#rules.authorize ? this.#ask(operation, type, name) : true
  }

  /** True if something may be done with the cluster itself. */
  mayCluster(operation: AuthorizedOperation): MaybePromise<boolean> {
    return this.may(operation, 'cluster', clusterName)
  }

  /** The names of the resources on which the operation is allowed. */
  which(operation: AuthorizedOperation, type: AclResourceType, names: Iterable<string>): MaybePromise<ReadonlySet<string>> {
    const allowed = new Set<string>()
    for (const name of names) if (this.#mayByAcls(operation, type, name)) allowed.add(name)
    if (!this.#rules.authorize || allowed.size === 0) return allowed
    const asked = [...allowed]
    const answers = this.#askAll(asked.map(name => () => this.#ask(operation, type, name)))
    return whenThere(answers, all => new Set(asked.filter((_, i) => all[i])))
  }

  /**
   * True if there may be a resource of the type with which this may be done. `existing` are put to
   * an `authorize` function, one by one.
   */
  maySomewhere(operation: AuthorizedOperation, type: AclResourceType, existing: Iterable<string>): MaybePromise<boolean> {
    const { acls, allowEveryoneIfNoAclFound, authorize } = this.#rules
    if (acls && !allowedSomewhere(this.#parts.acls, this.#question(operation, type), allowEveryoneIfNoAclFound)) return false
    return authorize ? this.#mayOneOf(operation, type, existing) : true
  }

  /**
   * All that may be done with a resource, as the sum of 2 to the power of the number of each
   * operation.
   */
  operationsOn(type: AclResourceType, name: string): MaybePromise<number> {
    const operations = operationsOf[type] ?? []
    const answers = this.#askAll(operations.map(operation => () => this.may(operation, type, name)))
    return whenThere(answers, all => sumOf(operations.filter((_, i) => all[i])))
  }

  #mayByAcls(operation: AuthorizedOperation, type: AclResourceType, name: string): boolean {
    const { acls, allowEveryoneIfNoAclFound } = this.#rules
    return !acls || allowedByAcls(this.#parts.acls, this.#question(operation, type), name, allowEveryoneIfNoAclFound)
  }

  #question(operation: AuthorizedOperation, type: AclResourceType) {
    const { principal, host } = this.#asker
    return { principal, host, operation: aclOperations[operation], resourceType: aclResourceTypes[type] }
  }

  async #mayOneOf(operation: AuthorizedOperation, type: AclResourceType, names: Iterable<string>): Promise<boolean> {
    for (const name of names) if (await this.may(operation, type, name)) return true
    return false
  }

  /** All answers, in order; not more than a few questions are open at the same time. */
  #askAll(questions: readonly (() => MaybePromise<boolean>)[]): MaybePromise<boolean[]> {
    const answers: boolean[] = []
    const pending: Promise<void>[] = []
    let next = 0
    const goOn = (): Promise<void> | undefined => {
      while (next < questions.length) {
        const place = next++
        const answer = questions[place]()
        if (isPromise(answer))
          return answer.then(allowed => {
            answers[place] = allowed
            return goOn()
          })
        answers[place] = answer
      }
    }
    while (next < questions.length && pending.length < mostAtOnce) {
      const waiting = goOn()
      if (waiting) pending.push(waiting)
    }
    return pending.length === 0 ? answers : Promise.all(pending).then(() => answers)
  }

  /**
   * Asks the `authorize` function. One that fails, takes too long or says neither yes nor no is
   * told, and counts as no.
   */
  #ask(operation: AuthorizedOperation, type: AclResourceType, name: string): MaybePromise<boolean> {
    const { principal, host, clientId } = this.#asker
    const request: AuthorizeRequest = { principal, host, clientId, api: this.#api, operation, resource: { type, name } }
    try {
      const answer: unknown = this.#rules.authorize!(request)
      if (!isPromise(answer)) return expectAnswer(answer)
      return this.#inTime(answer)
        .then(expectAnswer)
        .catch(error => this.#failed(error, request))
    } catch (error) {
      return this.#failed(error, request)
    }
  }

  #failed(error: unknown, { principal, operation, resource }: AuthorizeRequest): false {
    this.#parts.tell(error, `\`authorize\`, asked whether ${principal} may ${operation} the ${resource.type} \`${resource.name}\``)
    return false
  }

  #inTime(answer: Promise<unknown>): Promise<unknown> {
    const { authorizeTimeoutMs } = this.#rules
    const late = () => new KafkaError('REQUEST_TIMED_OUT', `\`authorize\` took longer than ${authorizeTimeoutMs} ms`)
    return within(this.#parts.clock, authorizeTimeoutMs, late, () => answer, false)
  }
}

/** Operations as one number: the sum of 2 to the power of the number of each. */
function sumOf(operations: readonly AuthorizedOperation[]): number {
  return operations.reduce((sum, operation) => sum + 2 ** aclOperations[operation], 0)
}

/** All operations that a kind of resource has, as `Access.operationsOn` tells them. */
export function allOperationsOn(type: AclResourceType): number {
  return sumOf(operationsOf[type] ?? [])
}

function expectAnswer(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer
  throw new TypeError(`Expected \`authorize\` to return true or false, got ${shown(answer)}`)
}
