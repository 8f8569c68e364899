import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Cluster } from '../../../src/cluster.js'
import { type Random, randomInteger, seededRandom } from '../../../src/common/random.js'
import { OffsetFetch } from '../../../src/protocol/messages/offset-fetch.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { runAndKill } from '../../killed-child.js'
import { checkPartition, readAll } from '../../simulation/check.js'
import { TopicModel, Violation } from '../../simulation/model.js'
import { type Line, recordOf, topics } from './work.js'

export interface KillTally {
  kills: number
  records: number
  commits: number
}

const child = fileURLToPath(new URL('child.ts', import.meta.url))

/**
 * Lets a child work on a directory and kills it, again and again; after each kill everything that it told was acknowledged must be there. Throws a
 * `Violation` and leaves the directory when something is wrong.
 */
export async function killRepeatedly(kills: number, seed: number, note: (line: string) => void = () => {}): Promise<KillTally> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-kill-'))
  const work = new Work(directory, seed, note)
  try {
    for (let i = 0; i < kills; i++) await work.live(i)
  } catch (error) {
    throw new Violation(`Seed ${seed}, kill ${work.tally.kills}, ${directory}: ${(error as Error).stack}`, { cause: error })
  }
  rmSync(directory, { recursive: true })
  return work.tally
}

class Work {
  readonly tally: KillTally = { kills: 0, records: 0, commits: 0 }
  readonly #directory: string
  readonly #random: Random
  readonly #note: (line: string) => void
  readonly #topics = new Map<string, TopicModel>()
  readonly #commits = new Map<string, number>()

  constructor(directory: string, seed: number, note: (line: string) => void) {
    this.#directory = directory
    this.#random = seededRandom(seed)
    this.#note = note
    for (const { name, partitions, configs } of topics) {
      const topic = new TopicModel(name, partitions, configs)
      topic.grow(partitions)
      this.#topics.set(name, topic)
    }
  }

  async live(life: number): Promise<void> {
    const durability = (['os', 'always', 'interval'] as const)[randomInteger(this.#random, 3)]
    const lines = await this.#runAndKill(life, durability)
    for (const line of lines) this.#learn(line)
    this.tally.kills++
    // The next child finds the directory as it was left, or as a clean close left it.
    const isCopy = this.#random.next() < 0.5
    const directory = isCopy ? `${this.#directory}-copy` : this.#directory
    if (isCopy) cpSync(this.#directory, directory, { recursive: true })
    this.#note(`life ${life}, ${durability}: killed after ${lines.length} lines, looking at ${isCopy ? 'a copy' : 'it'}`)
    await this.#check(directory)
    if (isCopy) rmSync(directory, { recursive: true })
  }

  /** Runs a child until a moment chosen by chance; returns all that it could tell. */
  async #runAndKill(life: number, durability: string): Promise<Line[]> {
    const dice = this.#random.next()
    const killAt = dice < 0.2 ? 'opening' : dice < 0.4 ? 'ready' : 1 + randomInteger(this.#random, this.#random.next() < 0.5 ? 100 : 3000)
    const delayMs = this.#random.next() * (dice < 0.4 ? 20 : 3)
    const lines: Line[] = []
    const args = ['--import', 'tsx', child, this.#directory, durability, String(life)]
    const { isKilled, code, complaints } = await runAndKill(args, (text, kill) => {
      let line: Line
      try {
        line = JSON.parse(text)
      } catch {
        return // Cut short by the kill.
      }
      lines.push(line)
      if (line[0] === killAt || lines.length === killAt) setTimeout(kill, delayMs)
    })
    if (!isKilled) throw new Violation(`The child ended by itself with ${code}: ${complaints}`)
    return lines
  }

  #learn(line: Line): void {
    switch (line[0]) {
      case 'topic': {
        const topic = this.#topics.get(line[1]) as TopicModel
        if (topic.id !== undefined && topic.id !== line[2]) throw new Violation(`${line[1]} had the id ${topic.id} and has ${line[2]}`)
        topic.id = line[2]
        return
      }
      case 'sent': {
        const sent = recordOf(line[1])
        this.#topics.get(sent.topic)?.partitions[sent.partition].acknowledge(line[2], sent, true)
        this.tally.records++
        return
      }
      case 'committed':
        this.#commits.set(line.slice(1, 4).join('/'), line[4])
        this.tally.commits++
    }
  }

  async #check(directory: string): Promise<void> {
    const cluster = await Cluster.open({ storage: fileStorage(directory), configs: { 'offsets.topic.num.partitions': 2 } })
    for (const [name, topic] of this.#topics) {
      const found = cluster.topics.get(name)
      if (!found && topic.id === undefined) continue
      if (!found) throw new Violation(`Topic ${name} is gone`)
      if (topic.id !== undefined && found.id !== topic.id)
        throw new Violation(`Topic ${name} has the id ${found.id} instead of ${topic.id}`)
      for (const { log, partition } of found.partitions) {
        const model = topic.partitions[partition]
        // Retention goes on in the child unseen; that it takes no more than it may is for other tests.
        if (name === 'window') model.startOffset = Math.max(model.startOffset, log.logStartOffset)
        const records = await readAll(log, 1 + randomInteger(this.#random, 100_000))
        checkPartition(`${name}-${partition}`, model, topic, { get: recordOf }, log, records, {
          onlyDurable: false,
          isComplete: true,
          isClean: false
        })
        model.rebase(records, { get: recordOf }, log.logStartOffset, true)
      }
    }
    await this.#checkCommits(cluster)
    await cluster.close()
  }

  async #checkCommits(cluster: Cluster): Promise<void> {
    const client = (cluster.node as NonNullable<Cluster['node']>).connect({ clientId: 'parent' })
    for (const [key, least] of this.#commits) {
      const [groupId, name, partition] = key.split('/')
      const wanted = [{ groupId, topics: [{ name, partitionIndexes: [Number(partition)] }] }]
      const { groups = [] } = await client.request(OffsetFetch, { groups: wanted })
      const { committedOffset } = groups[0].topics[0].partitions[0]
      if (committedOffset < least)
        throw new Violation(`${groupId} had committed ${least} for ${name}-${partition}, and now it is ${committedOffset}`)
      this.#commits.set(key, committedOffset)
    }
  }
}
