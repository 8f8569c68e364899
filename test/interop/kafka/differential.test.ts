import { describe, expect, it } from 'vitest'
import { missingKafka } from './apache-kafka.js'
import { compare, withBoth } from './differential/differential.js'
import { told } from './differential/told.js'

/*
 * `npm run differential -- --questions 5000 --seed 1` asks more.
 */

const why = await missingKafka()
const [questions, seed] = [300, 1]

describe.skipIf(why)(`a listener, beside Apache Kafka 4.3${why ? ` (${why})` : ''}`, () => {
  it(`gives the same answers to generated requests (${questions} with seed ${seed})`, async () => {
    const { asked, differences } = await withBoth(sides => compare(sides, seed, questions))
    expect(differences.map(told)).toEqual([])
    expect(asked.size).toBeGreaterThan(35)
  }, 120_000)
})
