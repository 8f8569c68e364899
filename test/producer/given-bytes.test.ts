import { describe, expect, it } from 'vitest'
import { json } from '../../src/record/serde.js'
import { topic } from '../../src/record/topic.js'
import { text, workbench } from './workbench.js'

function transfer(bytes: Uint8Array): void {
  structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })
}

describe('the bytes of a record that was sent', () => {
  const given = () => ({
    key: new Uint8Array([107]),
    value: new Uint8Array(300).fill(118),
    headers: { h: new Uint8Array([104]) }
  })

  const spoil = {
    'changed in place': ({ key, value, headers }: ReturnType<typeof given>) => {
      for (const bytes of [key, value, headers.h]) bytes.fill(88)
      headers.h = new Uint8Array([88])
    },
    transferred: ({ key, value, headers }: ReturnType<typeof given>) => {
      for (const bytes of [key, value, headers.h]) transfer(bytes)
    }
  }

  for (const [how, change] of Object.entries(spoil)) {
    it(`go out as they were at the call, although they are ${how} right after it`, async () => {
      const { producer, records } = await workbench()
      const sender = producer()
      // The first has to wait until the topic has been looked up, the second goes into a batch at once.
      const sent = [1, 2].map(() => {
        const record = given()
        const promise = sender.send('orders', record)
        change(record)
        return promise
      })
      await Promise.all(sent)
      await Promise.resolve()
      const late = given()
      const promise = sender.send('orders', late)
      change(late)
      await promise
      for (const { key, value, headers } of records()) {
        expect([text(key), text(value), headers.map(header => text(header.value))]).toEqual(['k', 'v'.repeat(300), ['h']])
      }
      expect(records()).toHaveLength(3)
    })
  }

  it('go out as they were at the call when there was no room in the buffer', async () => {
    const { producer, values } = await workbench()
    const sender = producer({ bufferMemory: 500 })
    const sent = ['a', 'b', 'c'].map(letter => {
      const value = new Uint8Array(300).fill(letter.charCodeAt(0))
      const promise = sender.send('orders', { value })
      value.fill(88)
      return promise
    })
    await Promise.all(sent)
    expect(values()).toEqual(['a', 'b', 'c'].map(letter => letter.repeat(300)))
  })

  it('stand for the object as it was at the call, where the topic has a serde', async () => {
    const { producer, values } = await workbench()
    const orders = topic('orders', { value: json<{ state: string }>(), partitions: 1 })
    const order = { state: 'new' }
    const sent = producer().send(orders, { value: order })
    order.state = 'changed'
    await sent
    expect(values()).toEqual(['{"state":"new"}'])
  })
})

describe('bytes whose memory was transferred before', () => {
  const gone = () => {
    const bytes = new Uint8Array([1, 2, 3])
    transfer(bytes)
    return bytes
  }

  it.each([
    ['the key', () => ({ key: gone(), value: 'v' })],
    ['the value', () => ({ value: gone() })],
    ['the header `h`', () => ({ value: 'v', headers: { h: gone() } })]
  ])('are refused, not sent as none: %s', async (what, record) => {
    const { producer, values } = await workbench()
    const sender = producer()
    const message = `Expected ${what} of a record for \`orders\` to hold bytes, but their memory was transferred`
    await expect(sender.send('orders', record())).rejects.toThrow(new TypeError(message))
    await sender.send('orders', { value: new Uint8Array(0) })
    await expect(sender.sendBatch('orders', [record()])).rejects.toThrow(message)
    expect(values()).toEqual([''])
  })
})
