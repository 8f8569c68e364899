import { describe, expect, it } from 'vitest'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { ListGroups } from '../../src/protocol/messages/list-groups.js'
import { cutAnswer, noAnswer } from '../../src/wire/intercept.js'
import { listen } from '../../src/wire/listener.js'
import { RawClient } from './raw-client.js'
import { ScriptedNode } from './scripted-node.js'

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const node = () => new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 }))

describe('a function around the requests of a listener', () => {
  it('sees each of them and may let it pass', async () => {
    const seen: unknown[] = []
    await using listener = await listen(node(), {
      intercept(exchange, answer) {
        seen.push([exchange.api.name, exchange.apiVersion, exchange.clientId, exchange.connectionId, exchange.body])
        return answer()
      }
    })
    using client = await RawClient.connect(listener.port)
    client.request(Heartbeat, 2, heartbeat, 1, 'me')
    expect((await client.response(Heartbeat, 2)).body.errorCode).toBe(0)
    expect(seen).toEqual([['Heartbeat', 2, 'me', 1, { ...heartbeat, groupInstanceId: null }]])
  })

  it('may answer in place of the node', async () => {
    const quiet = node()
    await using listener = await listen(quiet, {
      intercept: ({ api }, answer) => (api === Heartbeat ? { errorCode: 27 } : answer())
    })
    using client = await RawClient.connect(listener.port)
    client.request(Heartbeat, 0, heartbeat)
    expect((await client.response(Heartbeat, 0)).body.errorCode).toBe(27)
    expect(quiet.seen).toEqual([])
  })

  it('may keep the answer back for good', async () => {
    const listener = await listen(node(), { intercept: () => noAnswer })
    using client = await RawClient.connect(listener.port)
    client.request(Heartbeat, 0, heartbeat)
    using other = await RawClient.connect(listener.port)
    other.request(ListGroups, 0, {})
    await listener.close()
    expect(client.frames).toEqual([])
    expect(await client.frame()).toBeUndefined()
  })

  it('may close the connection in mid-answer', async () => {
    await using listener = await listen(node(), { intercept: () => cutAnswer(7) })
    using client = await RawClient.connect(listener.port)
    const bytes: Buffer[] = []
    client.socket.on('data', chunk => bytes.push(chunk))
    client.request(Heartbeat, 0, heartbeat)
    await client.closed
    expect(Buffer.concat(bytes)).toEqual(Buffer.of(0, 0, 0, 6, 0, 0, 0))
  })

  it('may fail, which closes the connection', async () => {
    await using listener = await listen(node(), {
      intercept() {
        throw new RangeError('no')
      }
    })
    const errors: unknown[] = []
    listener.on('error', error => errors.push(error))
    using client = await RawClient.connect(listener.port)
    client.request(Heartbeat, 0, heartbeat)
    await client.closed
    expect(errors).toEqual([new RangeError('no')])
  })
})
