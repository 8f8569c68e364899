import { mock } from 'node:test'
import { install } from '@sinonjs/fake-timers'

/** Fake timers whose time never passes. */
export interface Fakes {
  readonly name: string
  /** Returns what takes them away. */
  readonly install: () => () => void
  /** Whether Node's own sockets stand still with them: these cannot do without `process.nextTick`. */
  readonly stopsSockets?: boolean
  /** Whether there is another kind that fakes all of this and more. */
  readonly isPartial?: boolean
}

type Global = NonNullable<NonNullable<Parameters<typeof install>[0]>['toFake']>[number]

export const timersAndTime: Global[] = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'Date',
  'performance',
  'hrtime',
  'queueMicrotask'
]

function sinon(options: Parameters<typeof install>[0]): () => () => void {
  return () => {
    const clock = install(options)
    return () => clock.uninstall()
  }
}

function nodeTest(options?: { readonly apis: ('setTimeout' | 'setImmediate')[] }): () => () => void {
  return () => {
    mock.timers.enable(options)
    return () => mock.timers.reset()
  }
}

/** Functions that lead nowhere, without a trace of what they replaced, as those of Jest's legacy mode. */
function traceless(): () => void {
  const { setTimeout, clearTimeout, setImmediate, clearImmediate, queueMicrotask, performance } = globalThis
  const { nextTick } = process
  const { now } = Date
  const timers = process.getBuiltinModule('node:timers') as unknown as Record<string, unknown>
  const { setTimeout: setTimer, clearTimeout: clearTimer, setImmediate: setNext, clearImmediate: clearNext } = timers
  const never = () => ({ unref() {}, ref() {} })
  const fakes = { setTimeout: never, clearTimeout: never, setImmediate: never, clearImmediate: never }
  Object.assign(globalThis, fakes, { queueMicrotask: never, performance: { now: () => 5 } })
  Object.assign(timers, fakes)
  process.nextTick = never
  Date.now = () => 5
  return () => {
    Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate, clearImmediate, queueMicrotask, performance })
    Object.assign(timers, { setTimeout: setTimer, clearTimeout: clearTimer, setImmediate: setNext, clearImmediate: clearNext })
    process.nextTick = nextTick
    Date.now = now
  }
}

export const kinds: readonly Fakes[] = [
  { name: "Sinon's fake timers", install: sinon({}), stopsSockets: true },
  { name: "Sinon's fake timers but for nextTick, as in Jest", install: sinon({ toFake: timersAndTime }) },
  {
    name: "Sinon's fake timers that go on by themselves",
    install: sinon({ shouldAdvanceTime: true, toFake: ['setTimeout', 'Date'] }),
    isPartial: true
  },
  { name: 'the mock timers of node:test', install: nodeTest() },
  { name: 'mock timeouts of node:test', install: nodeTest({ apis: ['setTimeout'] }), isPartial: true },
  { name: 'mock immediates of node:test', install: nodeTest({ apis: ['setImmediate'] }), isPartial: true },
  { name: 'fake timers that leave no trace', install: traceless, stopsSockets: true }
]
