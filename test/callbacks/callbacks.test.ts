import { beforeAll, expect, it } from 'vitest'
import { KafkaError } from '../../src/index.js'
import { calledByOthers, functionsInPublicTypes, likeOthers, ofTheLibrary } from './public-callbacks.js'
import { type Conduct, conducts, isLate, Scene, within } from './scene.js'
import { type Callback, callbacks } from './table.js'

const rows = callbacks.filter(({ isSkipped }) => !isSkipped)
const nameOf = ({ names, use }: Callback) => [names[0], use].filter(Boolean).join(', ')
const faults = new Map<Callback, string[]>()

/** Most of a scene is waiting, so that they run beside each other. */
beforeAll(async () => {
  for (const callback of rows) if (callback.isAlone) await play(callback)
  const others = rows.filter(({ isAlone }) => !isAlone).values()
  const lanes = Array.from({ length: 3 }, async () => {
    for (const callback of others) await play(callback)
  })
  await Promise.all(lanes)
}, 300_000)

async function play(callback: Callback): Promise<void> {
  const tried = conducts.filter(conduct => !callback.except?.includes(conduct)).map(conduct => () => faultsOf(callback, conduct))
  const found: string[] = []
  if (callback.isAlone) for (const each of tried) found.push(...(await each()))
  else found.push(...(await Promise.all(tried.map(each => each()))).flat())
  faults.set(callback, found)
}

it.each(rows.map(row => [nameOf(row), row] as const))('whatever code of the user’s does as %s, it is told and contained', (_, row) => {
  if (faults.get(row)!.length > 0) expect.fail(faults.get(row)!.join('\n'))
})

async function faultsOf({ play }: Callback, conduct: Conduct): Promise<string[]> {
  const scene = new Scene(conduct)
  const playing = play(scene).catch(error => {
    // Whatever else the scene wants may end with the cluster.
    if (!(error instanceof KafkaError)) scene.faults.push(`The scene itself failed: ${(error as Error).stack}`)
  })
  const outcome = await within(conduct === 'hangs' ? Promise.race([playing, scene.called()]) : playing, 30_000)
  if (isLate(outcome)) scene.faults.push('What called it did not settle')
  await scene.close()
  if (conduct === 'throws' || conduct === 'rejects') await scene.expectTold()
  await scene.check()
  if (scene.calls === 0) scene.faults.push('It was never called')
  return scene.faults.map(fault => `When it ${conduct}: ${fault}`)
}

it('every function in a public type that is a user’s to write is tried', () => {
  const tried = new Set(callbacks.flatMap(({ names }) => names))
  const functions = functionsInPublicTypes()
  const missing = functions.filter(name => ![tried, ofTheLibrary, calledByOthers, likeOthers].some(names => names.has(name)))
  expect(missing, 'add it to the table, or say in public-callbacks.ts why it is not there').toEqual([])
  expect(functions.length).toBeGreaterThan(80)
})
