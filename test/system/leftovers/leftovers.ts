/**
 * Leads one life after the other, or those that are named, and prints what it has left behind; then
 * what is held of things that were closed.
 */
import { holdings, sentBytes } from './held.js'
import { type Given, lives } from './lives.js'
import { added, look, settle } from './traces.js'

const { signal } = new AbortController()
const wanted = process.argv.slice(2).filter(word => !word.startsWith('--'))
const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name)

for (const [name, life] of Object.entries(lives)) {
  if (!isWanted(name)) continue
  const noted: { readonly what: string; readonly ref: WeakRef<object> }[] = []
  const note: Given['note'] = (what, object) => {
    noted.push({ what, ref: new WeakRef(object) })
    return object
  }
  const before = look(signal)
  await life({ signal, note })
  let left: string[] = []
  // A handle that was closed is there for some turns of the event loop more.
  for (let round = 0; round < 100; round++) {
    await settle()
    left = [...added(before, signal), ...noted.filter(({ ref }) => ref.deref()).map(({ what }) => `is held: ${what}`)]
    if (left.length === 0) break
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  console.log(JSON.stringify({ name, left }))
}

async function memoryBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) await settle()
  return process.memoryUsage().arrayBuffers
}

for (const [name, hold] of Object.entries(holdings)) {
  if (!isWanted(name)) continue
  const held = await hold()
  const withThem = await memoryBytes()
  held.length = 0
  const bytes = withThem - (await memoryBytes())
  const left = bytes > sentBytes / 20 ? [`${bytes} of ${sentBytes} bytes are held by what was closed`] : []
  console.log(JSON.stringify({ name, left }))
}
