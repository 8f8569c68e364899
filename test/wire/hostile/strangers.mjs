/*
 * Clients that have no business with a listener, in a process of their own. The process that starts
 * it sends `{ port, tlsPort, count, users, pauseMs }`, then 'go' and 'come', and hears after 'end'
 * what they achieved.
 */
import { createHmac, randomBytes, randomInt } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'

/** All of 127.0.0.0/8 is this machine: the strangers do not share an address with honest clients. */
const addresses = process.platform === 'linux' ? ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'] : [undefined]

const achieved = { connections: 0, refused: 0, letIn: 0, guesses: 0, closedByListener: 0 }
let isAway = false
const open = new Set()

process.on('message', message => {
  isAway = message === 'go' || message === 'end'
  if (isAway) for (const socket of open) socket.destroy()
  if (message === 'end') {
    const { user, system } = process.cpuUsage()
    process.send({ ...achieved, cpuMs: Math.round((user + system) / 1000) }, () => process.exit())
  }
  for (let i = 0; i < (message.count ?? 0); i++) void stranger(i, message)
})
process.on('disconnect', () => process.exit())

async function stranger(i, { port, tlsPort, users, pauseMs }) {
  const acts = [announce, dribble, guessPlain, guessScram, junk, askWithoutProof, sitStill, halfTls, junkAtTls, guessOverTls]
  const act = acts[i % acts.length]
  await sleep(randomInt(Math.ceil(pauseMs)))
  for (;;) {
    const isTls = act === halfTls || act === junkAtTls || act === guessOverTls
    const socket = await connected(act === guessOverTls, isTls ? tlsPort : port, addresses[i % addresses.length])
    if (socket) {
      achieved.connections++
      await act(new Peer(socket), users[i % users.length], pauseMs).catch(() => {})
      socket.destroy()
    } else if (!isAway) achieved.refused++
    do await sleep(pauseMs * (0.5 + Math.random()))
    while (isAway)
  }
}

function connected(speaksTls, port, localAddress) {
  return new Promise(resolve => {
    const to = { host: '127.0.0.1', port, ...(localAddress && { localAddress }) }
    const socket = speaksTls ? connectTls({ socket: connectTcp(to), rejectUnauthorized: false }) : connectTcp(to)
    open.add(socket)
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => {
      open.delete(socket)
      resolve(undefined)
    })
    socket.once(speaksTls ? 'secureConnect' : 'connect', () => resolve(socket))
  })
}

/** A socket as a conversation of frames. */
class Peer {
  #arrived = Buffer.alloc(0)
  #waiting

  constructor(socket) {
    this.socket = socket
    this.ended = new Promise(resolve => socket.once('close', resolve))
    void this.ended.then(() => {
      if (!isAway) achieved.closedByListener++
      this.#waiting?.()
    })
    socket.on('data', chunk => {
      this.#arrived = Buffer.concat([this.#arrived, chunk])
      this.#waiting?.()
    })
  }

  /** Waits until the listener has closed the connection, or for a time. */
  hold(timeMs) {
    return Promise.race([this.ended, sleep(timeMs, undefined, { ref: false })])
  }

  request(apiKey, version, body) {
    const header = Buffer.alloc(16)
    header.writeInt32BE(12 + body.length, 0)
    header.writeInt16BE(apiKey, 4)
    header.writeInt16BE(version, 6)
    header.writeInt32BE(1, 8)
    header.writeInt16BE(2, 12)
    header.write('no', 14)
    this.socket.write(Buffer.concat([header, body]))
  }

  /** The next answer without its header; undefined when the connection has ended. */
  async answer() {
    for (;;) {
      const size = this.#arrived.length >= 4 ? this.#arrived.readInt32BE(0) : Number.POSITIVE_INFINITY
      if (this.#arrived.length >= 4 + size) {
        const body = this.#arrived.subarray(8, 4 + size)
        this.#arrived = this.#arrived.subarray(4 + size)
        return body
      }
      if (this.socket.destroyed) return undefined
      await new Promise(resolve => {
        this.#waiting = resolve
      })
    }
  }
}

const [metadata, saslHandshake, saslAuthenticate] = [3, 17, 36]

function shortText(text) {
  const bytes = Buffer.from(text)
  const size = Buffer.alloc(2)
  size.writeInt16BE(bytes.length)
  return Buffer.concat([size, bytes])
}

function longBytes(bytes) {
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

async function announce(peer, _user, pauseMs) {
  const size = Buffer.alloc(4)
  size.writeInt32BE([2 ** 31 - 1, 100 * 2 ** 20, 512 * 1024, 65_536][randomInt(4)])
  peer.socket.write(Buffer.concat([size, randomBytes(randomInt(1, 5000))]))
  await peer.hold(pauseMs * 4)
}

async function dribble(peer, _user, pauseMs) {
  const frame = Buffer.concat([Buffer.from([0, 0, 0x40, 0]), randomBytes(0x4000)])
  for (let at = 0; at < frame.length && !peer.socket.destroyed && !isAway; at += 2) {
    peer.socket.write(frame.subarray(at, at + 2))
    await peer.hold(pauseMs / 4)
  }
}

async function guessPlain(peer, user) {
  for (let i = 0; i < 3; i++) {
    peer.request(saslHandshake, 1, shortText('PLAIN'))
    if (!(await peer.answer())) return
    achieved.guesses++
    peer.request(saslAuthenticate, 0, longBytes(Buffer.from(`\0${user}\0guess${randomInt(1e9)}`)))
    const answer = await peer.answer()
    if (!answer) return
    if (answer.readInt16BE(0) === 0) achieved.letIn++
  }
}

function guessOverTls(peer, user) {
  return guessPlain(peer, user)
}

async function guessScram(peer, user, pauseMs) {
  peer.request(saslHandshake, 1, shortText('SCRAM-SHA-256'))
  if (!(await peer.answer())) return
  peer.request(saslAuthenticate, 0, longBytes(Buffer.from(`n,,n=${user},r=abc`)))
  const first = await peer.answer()
  if (!first) return
  const nonce = /r=([^,]*)/.exec(first.toString())?.[1]
  if (randomInt(2) === 0) return peer.hold(pauseMs)
  achieved.guesses++
  const proof = createHmac('sha256', 'guess').update(randomBytes(8)).digest('base64')
  peer.request(saslAuthenticate, 0, longBytes(Buffer.from(`c=biws,r=${nonce},p=${proof}`)))
  const last = await peer.answer()
  if (last?.readInt16BE(0) === 0) achieved.letIn++
}

async function junk(peer, _user, pauseMs) {
  peer.socket.write(randomBytes(randomInt(1, 65_536)))
  await peer.hold(pauseMs)
}

async function askWithoutProof(peer) {
  peer.request(metadata, 1, Buffer.from([0xff, 0xff, 0xff, 0xff]))
  if (await peer.answer()) achieved.letIn++
}

function sitStill(peer, _user, pauseMs) {
  return peer.hold(pauseMs * 20)
}

async function halfTls(peer, _user, pauseMs) {
  // The beginning of a ClientHello that announces 512 bytes.
  peer.socket.write(Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), randomBytes(32)]))
  await peer.hold(pauseMs * 10)
}

async function junkAtTls(peer, _user, pauseMs) {
  peer.socket.write(randomBytes(randomInt(1, 2000)))
  await peer.hold(pauseMs)
}
