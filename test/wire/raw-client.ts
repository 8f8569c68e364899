import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { concatBytes } from '../../src/common/bytes.js'
import { readMessage, writeMessage } from '../../src/protocol/codec.js'
import type { Api, RequestOf, ResponseOf } from '../../src/protocol/message.js'
import { MessageReader } from '../../src/protocol/message-reader.js'
import { FrameReader } from '../../src/wire/frame.js'
import { beginRequest, endFrame, hasTaggedResponseHeader, skipTagged } from '../../src/wire/headers.js'

/** A client that says exactly what a test wants it to say, byte by byte. */
export class RawClient implements Disposable {
  readonly socket: Socket
  readonly frames: Uint8Array[] = []
  readonly closed: Promise<void>
  readonly #reader = new FrameReader(() => 2 ** 31 - 1)
  #arrived = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    this.closed = new Promise<void>(resolve => {
      socket.on('close', () => {
        resolve()
        this.#arrived()
      })
    })
    socket.on('data', chunk => {
      for (const frame of this.#reader.push(chunk)) this.frames.push(frame.slice())
      this.#arrived()
    })
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' })
    const client = new RawClient(socket)
    await once(socket, 'connect')
    return client
  }

  send(...pieces: Uint8Array[]): void {
    this.socket.write(concatBytes(pieces))
  }

  request<A extends Api>(api: A, version: number, body: RequestOf<A>, correlationId = 1, clientId = 'raw'): void {
    this.send(requestFrame(api, version, body, correlationId, clientId))
  }

  /** The next frame, or undefined when the connection ends before there is one. */
  async frame(): Promise<Uint8Array | undefined> {
    while (this.frames.length === 0 && !this.socket.closed) {
      await new Promise<void>(resolve => {
        this.#arrived = resolve
      })
    }
    return this.frames.shift()
  }

  async response<A extends Api>(api: A, version: number): Promise<{ correlationId: number; body: ResponseOf<A> }> {
    const frame = await this.frame()
    if (!frame) throw new Error('The connection ended before an answer came')
    return responseIn(frame, api, version)
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

export function responseIn<A extends Api>(frame: Uint8Array, api: A, version: number): { correlationId: number; body: ResponseOf<A> } {
  const reader = new MessageReader(frame)
  const correlationId = reader.int32()
  if (hasTaggedResponseHeader(api, version)) skipTagged(reader)
  const body = readMessage(reader, api.response, version)
  if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes follow the answer to ${api.name} v${version}`)
  return { correlationId, body: body as ResponseOf<A> }
}

export function requestFrame<A extends Api>(api: A, version: number, body: RequestOf<A>, correlationId = 1, clientId = 'raw'): Uint8Array {
  const writer = beginRequest(api, version, correlationId, clientId)
  writeMessage(writer, api.request, version, body)
  return concatBytes(endFrame(writer))
}
