import { describe, expect, it, onTestFinished } from 'vitest'
import { Emitter } from '../../src/common/emitter.js'

interface Events {
  told: (what: string) => unknown
  error: (error: unknown, who: string) => unknown
}

class Told extends Emitter<Events> {
  protected override errorArgs(error: unknown, who: string): unknown[] {
    return [error, who]
  }

  blame(error: unknown, who: string): void {
    this.tellFailure(error, who)
  }
}

const turn = () => new Promise(setImmediate)

/** The warnings of the process while a test runs. */
function warnings(): string[] {
  const texts: string[] = []
  const onWarning = ({ message }: Error) => texts.push(message)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  return texts
}

describe('an emitter', () => {
  it('calls its listeners once the code that tells has run to its end, in order', async () => {
    const emitter = new Told()
    const calls: string[] = []
    emitter.on('told', what => calls.push(what))
    expect([emitter.emit('told', 'a'), emitter.emit('told', 'b')]).toEqual([true, true])
    expect(calls).toEqual([])
    await Promise.resolve()
    expect(calls).toEqual(['a', 'b'])
  })

  it('says whether anybody listens', () => {
    expect(new Told().emit('told', 'a')).toBe(false)
  })

  it('knows its listeners by the functions that were given', async () => {
    const emitter = new Told()
    const calls: string[] = []
    const listener = (what: string) => calls.push(what)
    emitter.addListener('told', listener)
    emitter.once('told', listener)
    expect(emitter.listeners('told')).toEqual([listener, listener])
    emitter.emit('told', 'twice')
    emitter.emit('told', 'once')
    await turn()
    emitter.off('told', listener)
    emitter.removeListener('told', listener)
    expect(emitter.emit('told', 'never')).toBe(false)
    expect(calls).toEqual(['twice', 'twice', 'once'])
  })

  it('keeps the `this` that a listener was given', async () => {
    const emitter = new Told()
    const context = {}
    const seen: unknown[] = []
    function listener(this: unknown) {
      seen.push(this)
    }
    emitter.on('told', listener, context)
    emitter.on('told', listener)
    emitter.emit('told', 'a')
    await turn()
    expect(seen).toEqual([context, emitter])
  })
})

describe('a listener that fails', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('boom')
      }
    ],
    ['rejects', () => Promise.reject(new Error('boom'))]
  ])('%s: the others are called, and an `error` event tells of it', async (_, fail) => {
    const emitter = new Told()
    const calls: unknown[] = []
    emitter.on('told', fail)
    emitter.on('told', what => calls.push(what))
    emitter.on('error', (error, who) => calls.push(error, who))
    emitter.emit('told', 'a')
    await turn()
    expect(calls).toEqual(['a', new Error('boom'), 'a listener of `told`'])
  })

  it('is a warning of the process, once, where nobody listens to errors', async () => {
    const texts = warnings()
    const emitter = new Told()
    emitter.on('told', () => Promise.reject(new Error('boom')))
    for (let i = 0; i < 3; i++) emitter.emit('told', 'a')
    emitter.blame(new Error('gone'), '`onAssigned`')
    await turn()
    await turn()
    expect(texts).toEqual(['During `onAssigned`: gone', 'During a listener of `told`: boom'])
  })

  it('of errors is a warning, and does not come back as an error', async () => {
    const texts = warnings()
    const emitter = new Told()
    emitter.on('told', () => {
      throw new Error('first')
    })
    emitter.on('error', () => {
      throw new Error('second')
    })
    emitter.emit('told', 'a')
    await turn()
    await turn()
    expect(texts).toEqual(['During a listener of `error`: second'])
  })
})
