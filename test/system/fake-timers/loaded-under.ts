/**
 * Loads the library under fake timers and lives with it, and once more after they are gone:
 * node --import tsx loaded-under.ts <kind> <place> …
 */
import { kinds } from './fakes.js'
import { live, type Place } from './life.js'

const [kind, ...places] = process.argv.slice(2)
const fakes = kinds.find(({ name }) => name === kind)
if (!fakes) throw new Error(`There is no kind ${kind}`)
// What Node loads when it is first needed must find the real functions, too.
await import('node:net')
const remove = fakes.install()
const library = {
  core: await import('../../../src/index.js'),
  file: await import('../../../src/storage/file/index.js'),
  wire: await import('../../../src/wire/index.js')
}
for (const place of places) await live(library, place as Place)
remove()
await live(library, 'wire')
