import { type Random, randomInteger } from '../../common/random.js'

/** A new member id, as Kafka makes them: who asked, a dash, and a random UUID. */
export function newMemberId(owner: string, random: Random): string {
  const bytes = Uint8Array.from({ length: 16 }, () => randomInteger(random, 256))
  bytes[6] = (bytes[6] & 0x0f) | 0x40
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
  return `${owner}-${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
