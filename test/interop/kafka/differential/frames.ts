import { concatBytes } from '../../../../src/common/bytes.js'
import { type Random, randomInteger } from '../../../../src/common/random.js'
import { uuidBytes } from '../../../../src/common/uuid.js'
import { type Api, type Field, type Fields, includesVersion } from '../../../../src/protocol/message.js'

const faultKinds = ['truncated', 'junk', 'null', 'length', 'tags'] as const

/** A fault that a frame gets on purpose; `at` chooses the place in it. */
export interface Fault {
  readonly kind: (typeof faultKinds)[number]
  readonly at: number
}

export function drawFault(random: Random): Fault {
  return { kind: faultKinds[randomInteger(random, faultKinds.length)], at: randomInteger(random, 1000) }
}

/** Turns a value such as `topic:orders` into what it stands for on one side. */
type Resolve = (value: unknown) => unknown

/**
 * The frame of a request. It is written apart from the codec of the library, so that it may be malformed, and so that a fault
 * of the codec shows.
 */
export function frameOf(api: Api, version: number, body: object, clientId: string | null, resolve: Resolve, fault?: Fault): Uint8Array {
  const flexible = includesVersion(api.flexible, version)
  const writer = new FaultyWriter(flexible, version, resolve, fault)
  writer.struct(api.request.fields, body as Record<string, unknown>)
  const header = Buffer.alloc(10)
  header.writeInt16BE(api.key, 0)
  header.writeInt16BE(version, 2)
  header.writeInt32BE(1, 4)
  const client = clientId === null ? new Uint8Array(0) : Buffer.from(clientId)
  header.writeInt16BE(clientId === null ? -1 : client.length, 8)
  const message = concatBytes([header, client, new Uint8Array(flexible ? 1 : 0), writer.bytes()])
  const size = Buffer.alloc(4)
  size.writeInt32BE(message.length)
  return concatBytes([size, message])
}

/** One thing that was written, and in which other way it could be written. */
interface Piece {
  readonly bytes: Uint8Array
  /** The piece as null where null is not allowed. */
  readonly asNull?: Uint8Array
  /** The piece with a length that is not its own. */
  readonly withLength?: (length: number) => Uint8Array
  readonly isTagCount?: boolean
}

class FaultyWriter {
  readonly #pieces: Piece[] = []
  readonly #flexible: boolean
  readonly #version: number
  readonly #resolve: Resolve
  readonly #fault: Fault | undefined

  constructor(flexible: boolean, version: number, resolve: Resolve, fault?: Fault) {
    this.#flexible = flexible
    this.#version = version
    this.#resolve = resolve
    this.#fault = fault
  }

  bytes(): Uint8Array {
    const fault = this.#fault
    const chosen = fault ? this.#choose(fault) : undefined
    const whole = concatBytes(this.#pieces.map(piece => (piece === chosen ? changed(piece, fault as Fault) : piece.bytes)))
    if (fault?.kind === 'truncated') return whole.subarray(0, fault.at % Math.max(1, whole.length))
    return fault?.kind === 'junk' ? concatBytes([whole, new Uint8Array(1 + (fault.at % 9)).fill(fault.at)]) : whole
  }

  #choose({ kind, at }: Fault): Piece | undefined {
    const candidates = this.#pieces.filter(({ asNull, withLength, isTagCount }) => {
      return kind === 'null' ? asNull : kind === 'length' ? withLength : kind === 'tags' && isTagCount
    })
    return candidates[at % Math.max(1, candidates.length)]
  }

  struct(fields: Fields, message: Record<string, unknown>): void {
    const present = Object.entries(fields).filter(([, field]) => includesVersion(field.versions, this.#version))
    const isTagged = (field: Field) => field.tag !== undefined && includesVersion(field.tagged, this.#version)
    for (const [name, field] of present) if (!isTagged(field)) this.#value(field, valueIn(message, name, field))
    if (!this.#flexible) return
    const tagged = present.filter(([name, field]) => isTagged(field) && message[name] !== undefined)
    this.#pieces.push({ bytes: uvarint(tagged.length), isTagCount: tagged.length === 0 })
    for (const [name, field] of tagged.sort((a, b) => (a[1].tag as number) - (b[1].tag as number))) {
      const inner = new FaultyWriter(true, this.#version, this.#resolve)
      inner.#value(field, message[name])
      const bytes = inner.bytes()
      this.#pieces.push({ bytes: concatBytes([uvarint(field.tag as number), uvarint(bytes.length), bytes]) })
    }
  }

  #value(field: Field, given: unknown): void {
    const value = this.#resolve(given)
    switch (field.kind) {
      case 'struct':
        return this.#struct(field, value)
      case 'array':
        return this.#array(field, value as readonly unknown[] | null)
      case 'string':
        return this.#sized(field, value === null ? null : Buffer.from(value as string), 2)
      case 'bytes':
      case 'records':
        return this.#sized(field, value as Uint8Array | null, 4)
      default:
        this.#pieces.push({ bytes: plain(field, value) })
    }
  }

  #struct(field: Field, value: unknown): void {
    if (field.nullable.max >= field.nullable.min) this.#pieces.push({ bytes: Uint8Array.of(value === null ? 0xff : 1) })
    if (value !== null) this.struct(field.fields as Fields, value as Record<string, unknown>)
  }

  #array(field: Field, elements: readonly unknown[] | null): void {
    this.#sizedHead(field, elements?.length ?? -1, 4, elements === null)
    for (const element of elements ?? []) this.#value(field.element as Field, element)
  }

  #sized(field: Field, bytes: Uint8Array | null, lengthBytes: 2 | 4): void {
    this.#sizedHead(field, bytes?.length ?? -1, lengthBytes, bytes === null)
    if (bytes) this.#pieces.push({ bytes })
  }

  #sizedHead(field: Field, length: number, lengthBytes: 2 | 4, isNull: boolean): void {
    const write = (size: number) => (this.#flexible ? uvarint((size + 1) >>> 0) : signed(size, lengthBytes))
    const asNull = isNull || includesVersion(field.nullable, this.#version) ? undefined : write(-1)
    this.#pieces.push({ bytes: write(length), asNull, withLength: write })
  }
}

const wrongLengths = [0, 1, 3, 100, 32_767, 2_000_000, 2 ** 31 - 2]

function changed({ bytes, asNull, withLength }: Piece, { kind, at }: Fault): Uint8Array {
  if (kind === 'null') return asNull as Uint8Array
  if (kind === 'length') return withLength!(wrongLengths[at % wrongLengths.length])
  // A tagged field that nobody knows.
  return kind === 'tags' ? Uint8Array.of(1, 90, 2, 1, 2) : bytes
}

function valueIn(message: Record<string, unknown>, name: string, field: Field): unknown {
  return message[name] === undefined ? (field.default ?? null) : message[name]
}

function plain({ kind }: Field, value: unknown): Uint8Array {
  switch (kind) {
    case 'uuid':
      return uuidBytes(value as string)
    case 'bool':
      return Uint8Array.of(value ? 1 : 0)
    case 'int8':
      return signed(value as number, 1)
    case 'int16':
      return signed(value as number, 2)
    case 'int32':
      return signed(value as number, 4)
    case 'int64': {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64BE(BigInt(value as number | bigint))
      return bytes
    }
    default:
      throw new Error(`No request has a field of the kind ${kind}`)
  }
}

function signed(value: number, size: 1 | 2 | 4): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value | 0)
  return bytes.subarray(4 - size)
}

function uvarint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest & 127) | 128)
  return Uint8Array.of(...bytes, rest)
}
