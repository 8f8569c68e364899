import { parseArgs } from 'node:util'
import { compare, withBoth } from './differential.js'
import { told } from './told.js'

/*
 * Asks a listener and an Apache Kafka the same, and tells each difference:
 *     npm run differential -- --questions 5000 --seed 1
 */
const { values } = parseArgs({ options: { questions: { type: 'string' }, seed: { type: 'string' } } })
const [questions, seed] = [Number(values.questions ?? 5000), Number(values.seed ?? 1)]

const { asked, differences } = await withBoth(sides => compare(sides, seed, questions, difference => console.log(told(difference))))
console.log(Object.fromEntries(asked))
console.log(`${questions} questions with seed ${seed}: ${differences.length} differences without a reason`)
process.exitCode = differences.length > 0 ? 1 : 0
