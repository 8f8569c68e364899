import { Cluster } from '../../../src/cluster.js'
import { randomInteger, seededRandom } from '../../../src/common/random.js'
import { string } from '../../../src/record/serde.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { brokerConfigs, groupId } from './work.js'

/* Moves records until it is killed, or until all have been moved; tells on its output how many it has moved. */

const [directory, durability, lifeText, mayFinish] = process.argv.slice(2) as [string, 'os' | 'interval' | 'always', string, string]
const random = seededRandom(Number(lifeText))

console.log('opening')
const cluster = await Cluster.open({ storage: fileStorage(directory, { durability }), configs: brokerConfigs })
console.log('open')
const isSlow = random.next() < 0.3
const pipe = cluster.pipe({
  from: 'in',
  to: 'out',
  groupId,
  value: string,
  concurrency: 1 + randomInteger(random, 4),
  maxTransactionRecords: [1, 20, 300, 2000][randomInteger(random, 4)],
  lingerMs: randomInteger(random, 3),
  producer: { compression: random.next() < 0.3 ? 'lz4' : 'none' },
  async transform({ value, partition }) {
    if (isSlow && random.next() < 0.01) await new Promise(setImmediate)
    return { value, partition }
  }
})
let moved = 0
pipe.on('committed', ({ records }) => {
  moved += records
  console.log(`moved ${moved}`)
})
pipe.on('retry', ({ error }) => console.log(`retry ${error}`))
const running = pipe.run()
console.log('running')
if (mayFinish === 'finish') {
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, 50))
    const lag = await pipe.lag()
    if (lag.length > 0 && lag.every(({ lag }) => lag === 0)) break
  }
  await pipe.close()
}
await running
await cluster.close()
console.log('finished')
