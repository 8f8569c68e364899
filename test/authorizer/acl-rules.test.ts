import { describe, expect, it } from 'vitest'
import { allowedByAcls, allowedSomewhere } from '../../src/authorizer/acl-rules.js'
import { seededRandom } from '../../src/common/random.js'
import { type AclState, AclStore } from '../../src/metadata/acls.js'
import { type AclOperation, type AclResourceType, aclOperations, aclResourceTypes } from '../../src/protocol/access.js'

interface Wish {
  readonly name: string
  readonly prefixed?: boolean
  readonly principal?: string
  readonly host?: string
  readonly operation?: AclOperation
  readonly deny?: boolean
  readonly type?: AclResourceType
}

function acl({ name, prefixed, principal = 'User:ann', host = '*', operation = 'read', deny, type = 'topic' }: Wish): AclState {
  return {
    resourceType: aclResourceTypes[type],
    resourceName: name,
    patternType: prefixed ? 4 : 3,
    principal,
    host,
    operation: aclOperations[operation],
    permissionType: deny ? 2 : 3
  }
}

function store(...wishes: Wish[]): AclStore {
  const acls = new AclStore()
  for (const [i, wish] of wishes.entries()) acls.add(`id ${i}`, acl(wish))
  return acls
}

interface Ask {
  readonly principal?: string
  readonly host?: string
  readonly operation?: AclOperation
  readonly type?: AclResourceType
  readonly isOpen?: boolean
}

const question = ({ principal = 'User:ann', host = '10.0.0.1', operation = 'read', type = 'topic' }: Ask = {}) => {
  return { principal, host, operation: aclOperations[operation], resourceType: aclResourceTypes[type] }
}

const may = (acls: AclStore, name: string, ask: Ask = {}) => allowedByAcls(acls, question(ask), name, ask.isOpen ?? false)

describe('an ACL', () => {
  it('allows its principal the operation on the resource of its name, and nobody and nothing else', () => {
    const acls = store({ name: 'orders' })
    expect(may(acls, 'orders')).toBe(true)
    expect(may(acls, 'order')).toBe(false)
    expect(may(acls, 'orders2')).toBe(false)
    expect(may(acls, 'orders', { principal: 'User:bob' })).toBe(false)
    expect(may(acls, 'orders', { principal: 'User:Ann' })).toBe(false)
    expect(may(acls, 'orders', { operation: 'write' })).toBe(false)
    expect(may(acls, 'orders', { type: 'group' })).toBe(false)
  })

  it('with a prefix is about all names that begin with it, whatever else is between them in order', () => {
    const acls = store(
      { name: 'foo', prefixed: true, operation: 'read' },
      { name: 'f', prefixed: true, operation: 'write' },
      { name: 'foob', operation: 'alter' },
      { name: 'fb', prefixed: true, operation: 'delete' },
      { name: 'gar', prefixed: true, operation: 'delete' },
      { name: 'eeee', operation: 'delete' }
    )
    expect(may(acls, 'foobar', { operation: 'read' })).toBe(true)
    expect(may(acls, 'foobar', { operation: 'write' })).toBe(true)
    expect(may(acls, 'foobar', { operation: 'alter' })).toBe(false)
    expect(may(acls, 'foobar', { operation: 'delete' })).toBe(false)
    expect(may(acls, 'foob', { operation: 'alter' })).toBe(true)
    expect(may(acls, 'foo')).toBe(true)
    expect(may(acls, 'fo')).toBe(false)
  })

  it('named * is about all resources of its type, and only where it is literal', () => {
    expect(may(store({ name: '*' }), 'orders')).toBe(true)
    expect(may(store({ name: '*' }), 'orders', { type: 'group' })).toBe(false)
    expect(may(store({ name: '*', prefixed: true }), 'orders')).toBe(false)
    expect(may(store({ name: '*', prefixed: true }), '*orders')).toBe(true)
  })

  it('for User:* is for all users, and one for a host for that host only', () => {
    expect(may(store({ name: 'orders', principal: 'User:*' }), 'orders', { principal: 'User:ANONYMOUS' })).toBe(true)
    const fromOneHost = store({ name: 'orders', host: '10.0.0.1' })
    expect(may(fromOneHost, 'orders')).toBe(true)
    expect(may(fromOneHost, 'orders', { host: '10.0.0.2' })).toBe(false)
  })

  it('that denies outweighs all that allow, of whatever pattern, principal and host', () => {
    const allowing: Wish[] = [{ name: 'orders' }, { name: '*' }, { name: 'or', prefixed: true, operation: 'all' }]
    expect(may(store(...allowing), 'orders')).toBe(true)
    const denying: Wish[] = [
      { name: 'orders' },
      { name: '*' },
      { name: 'ord', prefixed: true },
      { name: 'orders', principal: 'User:*' },
      { name: 'orders', host: '10.0.0.1' },
      { name: 'orders', operation: 'all' }
    ]
    for (const wish of denying) expect(may(store(...allowing, { ...wish, deny: true }), 'orders')).toBe(false)
    expect(may(store(...allowing, { name: 'orders', host: '10.0.0.2', deny: true }), 'orders')).toBe(true)
  })

  it.each(['read', 'write', 'delete', 'alter', 'describe', 'all'] as const)('that allows %s allows to describe as well', operation => {
    expect(may(store({ name: 'orders', operation }), 'orders', { operation: 'describe' })).toBe(true)
  })

  it.each(['create', 'alterConfigs', 'describeConfigs', 'idempotentWrite'] as const)(
    'that allows %s does not allow to describe',
    operation => {
      expect(may(store({ name: 'orders', operation }), 'orders', { operation: 'describe' })).toBe(false)
    }
  )

  it('that allows to alter configs allows to describe them, and one that allows to alter does not', () => {
    expect(may(store({ name: 'o', operation: 'alterConfigs' }), 'o', { operation: 'describeConfigs' })).toBe(true)
    expect(may(store({ name: 'o', operation: 'alter' }), 'o', { operation: 'describeConfigs' })).toBe(false)
  })

  it('that denies to read does not deny to describe', () => {
    const acls = store({ name: 'orders', operation: 'describe' }, { name: 'orders', operation: 'read', deny: true })
    expect(may(acls, 'orders', { operation: 'describe' })).toBe(true)
    expect(may(acls, 'orders', { operation: 'read' })).toBe(false)
  })
})

describe('a resource that no ACL is about', () => {
  it('is open to all where that is configured, until there is an ACL for anybody', () => {
    expect(may(store(), 'orders')).toBe(false)
    expect(may(store(), 'orders', { isOpen: true })).toBe(true)
    expect(may(store({ name: 'other' }), 'orders', { isOpen: true })).toBe(true)
    expect(may(store({ name: 'orders', principal: 'User:bob' }), 'orders', { isOpen: true })).toBe(false)
    expect(may(store({ name: '*', principal: 'User:bob' }), 'orders', { isOpen: true })).toBe(false)
    expect(may(store({ name: 'or', prefixed: true, principal: 'User:bob' }), 'orders', { isOpen: true })).toBe(false)
  })
})

describe('being allowed something on any resource of a type', () => {
  const somewhere = (...wishes: Wish[]) => allowedSomewhere(store(...wishes), question(), false)

  it('takes one ACL that allows it, and that no other one covers', () => {
    expect(somewhere()).toBe(false)
    expect(somewhere({ name: 'orders' })).toBe(true)
    expect(somewhere({ name: 'orders', operation: 'all' })).toBe(true)
    expect(somewhere({ name: 'orders', operation: 'write' })).toBe(false)
    expect(somewhere({ name: 'orders', principal: 'User:bob' })).toBe(false)
    expect(somewhere({ name: 'orders', host: '10.0.0.2' })).toBe(false)
    expect(somewhere({ name: 'or', prefixed: true })).toBe(true)
    expect(somewhere({ name: '*' }, { name: 'orders', deny: true })).toBe(true)
    expect(somewhere({ name: '*' }, { name: '*', deny: true })).toBe(false)
    expect(somewhere({ name: 'orders' }, { name: '*', principal: 'User:*', deny: true })).toBe(false)
    expect(somewhere({ name: 'orders' }, { name: 'orders', deny: true })).toBe(false)
    expect(somewhere({ name: 'orders' }, { name: 'or', prefixed: true, deny: true })).toBe(false)
    expect(somewhere({ name: 'orders' }, { name: 'orders2', deny: true })).toBe(true)
    expect(somewhere({ name: 'or', prefixed: true }, { name: 'ord', prefixed: true, deny: true })).toBe(true)
    expect(somewhere({ name: 'or', prefixed: true }, { name: 'o', prefixed: true, deny: true })).toBe(false)
  })

  it('is open where resources without ACLs are', () => {
    expect(allowedSomewhere(store(), question(), true)).toBe(true)
    expect(allowedSomewhere(store({ name: 'a', principal: 'User:bob' }), question(), true)).toBe(true)
  })
})

describe('the index', () => {
  it('answers like a look at each ACL, while ACLs come and go', () => {
    const random = seededRandom(7)
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)]
    const names = ['*', 'a', 'aa', 'ab', 'aab', 'abc', 'b', 'bca']
    const acls = new AclStore()
    const plain = new Map<string, AclState>()
    for (let step = 0; step < 3000; step++) {
      const id = `id ${Math.floor(random.next() * 40)}`
      if (random.next() < 0.4) {
        acls.remove(id)
        plain.delete(id)
      } else {
        const added = acl({
          name: pick(names),
          prefixed: random.next() < 0.5,
          principal: pick(['User:ann', 'User:bob', 'User:*']),
          host: pick(['*', '10.0.0.1']),
          operation: pick(['read', 'write', 'describe', 'all']),
          deny: random.next() < 0.2
        })
        for (const [other, same] of plain) if (JSON.stringify(same) === JSON.stringify(added)) plain.delete(other)
        acls.add(id, added)
        plain.set(id, added)
      }
      expect(acls.size).toBe(plain.size)
      const name = pick(names.slice(1))
      const operation = pick(['read', 'write', 'describe'] as const)
      expect(may(acls, name, { operation, isOpen: true })).toBe(slow([...plain.values()], name, operation))
    }
  })

  function slow(all: readonly AclState[], name: string, operation: AclOperation): boolean {
    const about = all.filter(({ patternType, resourceName }) =>
      patternType === 4 ? name.startsWith(resourceName) : resourceName === name || resourceName === '*'
    )
    if (about.length === 0) return true
    const number = aclOperations[operation]
    const mine = about.filter(({ principal }) => principal === 'User:ann' || principal === 'User:*')
    const isFor = (each: AclState) => each.operation === number || each.operation === 2
    if (mine.some(each => each.permissionType === 2 && isFor(each))) return false
    const implies = (each: AclState) => operation === 'describe' && [3, 4, 6, 7].includes(each.operation)
    return mine.some(each => each.permissionType === 3 && (isFor(each) || implies(each)))
  }
})
