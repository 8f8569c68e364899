import { Cluster } from '../../../src/cluster.js'
import { randomInteger, seededRandom } from '../../../src/common/random.js'
import { string } from '../../../src/record/serde.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { brokerConfigs, groupId } from './work.js'

/*
 * Moves records until it is killed, or until all have been moved; tells on its output how many it has
 * moved.
 */

const [directory, durability, lifeText, mayFinish] = process.argv.slice(2) as [string, 'os' | 'interval' | 'always', string, string]
const random = seededRandom(Number(lifeText))

console.log('opening')
const cluster = await Cluster.open({ storage: fileStorage(directory, { durability }), configs: brokerConfigs })
console.log('open')
// The last life has all that is left to move.
const mayBeSmall = mayFinish !== 'finish'
const isSlow = random.next() < 0.3
const pipe = cluster.pipe({
  from: 'in',
  to: 'out',
  groupId,
  value: string,
  concurrency: 1 + randomInteger(random, 4),
  maxTransactionRecords: mayBeSmall ? [1, 20, 300, 2000][randomInteger(random, 4)] : 2000,
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
  const admin = cluster.admin()
  const all = cluster.topic('in').partitions.reduce((sum, { logEndOffset }) => sum + logEndOffset, 0)
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, 50))
    const moved = (await admin.listGroupOffsets(groupId)).reduce((sum, { offset }) => sum + offset, 0)
    if (moved === all) break
  }
  await pipe.close()
}
await running
await cluster.close()
console.log('finished')
