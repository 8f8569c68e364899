import { nodeOf } from '../../src/broker/local-broker.js'
import { type Random, randomInteger, seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import type { Log } from '../../src/log/log.js'
import type { DiskOperation } from '../../src/testing/disk-failure.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { checkCommits, checkLookups, checkPartition, readAll } from './check.js'
import { Life, settled } from './life.js'
import { type Found, Model, TopicModel, Violation } from './model.js'
import { Audience } from './readers.js'

/** How a life ended, which decides what the next one must find. */
type End = 'nothing' | 'close' | 'process' | 'power'

/** What a run did. */
export interface Tally {
  lives: number
  records: number
  crashes: number
  powerCuts: number
  faults: number
  flips: number
  compactions: number
  /** How often retention took segments away. */
  removals: number
  tornTails: number
}

/** What to leave out, to look at one kind of trouble alone. Default: nothing. */
export interface SimulationOptions {
  readonly powerCuts?: boolean
  readonly faults?: boolean
  /** Whether files are made longer ahead of their end. */
  readonly zeros?: boolean
  /** Is told what happens, line by line. */
  readonly story?: string[]
}

/** Runs the random life of a cluster that `seed` stands for. Throws a `Violation` with the seed and all that happened when something is wrong. */
export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Tally> {
  const simulation = new Simulation(seed, options)
  try {
    return await simulation.run()
  } catch (error) {
    const reason = error instanceof Violation ? error.message : (error as Error).stack
    throw new Violation(`Seed ${seed}: ${reason}`, { cause: error })
  }
}

class Simulation {
  readonly #random: Random
  readonly #disk: SimulatedDisk
  readonly #model = new Model()
  readonly #audiences = ['readers', 'others'].map(name => new Audience(name))
  readonly #options: SimulationOptions
  readonly #tally: Tally = {
    lives: 0,
    records: 0,
    crashes: 0,
    powerCuts: 0,
    faults: 0,
    flips: 0,
    compactions: 0,
    removals: 0,
    tornTails: 0
  }
  #clock = new VirtualClock()
  /** Whether the life before synced each append. */
  #wasDurable = true

  constructor(seed: number, options: SimulationOptions) {
    this.#options = options
    this.#random = seededRandom(seed)
    this.#disk = new SimulatedDisk({ random: seededRandom(seed * 7 + 1) })
  }

  async run(): Promise<Tally> {
    const lives = 2 + randomInteger(this.#random, 5)
    let end: End = 'nothing'
    for (let i = 0; i < lives; i++) end = await this.#live(end)
    await this.#live(end, true)
    if (this.#chance(0.4)) await this.#flipBit()
    else if (this.#chance(0.3)) await this.#putStray()
    this.#tally.faults = this.#disk.faultsMet
    this.#tally.records = this.#model.sent.size
    return this.#tally
  }

  async #live(before: End, isLast = false): Promise<End> {
    const isDurable = this.#chance(0.6)
    this.#tally.lives++
    this.#disk.mend()
    if (before !== 'nothing' && this.#chance(0.15)) await this.#failToOpen(isDurable)
    const life = await this.#open(isDurable)
    await this.#check(life, before, isDurable)
    if (isLast) {
      await this.#readToTheEnd(life)
      return this.#end(life, 'close', false)
    }
    const faultsBefore = this.#disk.faultsMet
    const steps = 3 + randomInteger(this.#random, 25)
    const troubleAt = randomInteger(this.#random, steps)
    for (let step = 0; step < steps && !this.#disk.hasStopped; step++) {
      if (step === troubleAt) this.#plan()
      const actions: Promise<void>[] = []
      for (let i = randomInteger(this.#random, 5); i >= 0; i--) actions.push(life.act())
      if (this.#chance(0.05)) {
        // The end comes in the middle of it.
        await undefined
        return this.#end(life, this.#crashKind(), false)
      }
      await life.wait(actions)
      life.checkReaders()
    }
    if (this.#disk.hasStopped) return this.#end(life, this.#crashKind(), true)
    const hasFailed = this.#disk.faultsMet > faultsBefore
    this.#disk.mend()
    return this.#end(life, this.#chance(0.4) ? 'close' : this.#crashKind(), hasFailed)
  }

  /** At last every group gets all that there is and that it has not got before. */
  async #readToTheEnd(life: Life): Promise<void> {
    for (const audience of this.#audiences) life.join(audience)
    for (let round = 0; this.#missing().length > 0; round++) {
      life.checkReaders()
      if (round === 60) throw new Violation(`At the end something is missing: ${this.#missing().join(', ')}`)
      await this.#clock.advance(1000)
    }
    life.checkReaders()
    await this.#settled(Promise.all(life.readers.map(reader => reader.close())))
    life.checkReaders()
  }

  #missing(): string[] {
    const missing: string[] = []
    for (const topic of this.#model.presentTopics) {
      for (const partition of topic.isCompacted ? [] : topic.partitions.keys()) {
        for (const audience of this.#audiences) {
          const offset = audience.missing(topic, partition, topic.partitions[partition].startOffset, Number.POSITIVE_INFINITY)
          if (offset !== undefined) missing.push(`${offset} of ${topic.name}-${partition} to ${audience.groupId}`)
        }
      }
    }
    return missing
  }

  /** At last the disk lies: a bit of a partition's file is not what was written. What is read of that partition is right all the same, or refused. */
  async #flipBit(): Promise<void> {
    const flipped = this.#disk.flipBit(/^[^_].*-\d+\/\d{20}\.(log|index|timeindex|snapshot)$/)
    if (!flipped) return
    this.#note(`a bit flips: ${JSON.stringify(flipped)}`)
    this.#tally.flips++
    const life = await this.#open(false)
    for (const [name, { partitions }] of life.cluster.topics) {
      if (name.startsWith('__')) continue
      const topic = this.#model.topics.get(name) as TopicModel
      for (const { log, partition } of partitions) {
        const place = `${name}-${partition}`
        if (flipped.name.startsWith(`${place}/`)) await this.#readDamaged(place, log)
        else {
          const expected = { onlyDurable: true, isComplete: true, isClean: false }
          checkPartition(place, topic.partitions[partition], topic, this.#model.sent, log, await this.#readAll(log), expected)
        }
      }
    }
    await this.#end(life, 'close', true)
  }

  /** At last an empty segment lies in a partition, with a name that no log comes to. The partition goes on as before, or is stopped, which is told. */
  async #putStray(): Promise<void> {
    const places = this.#model.presentTopics.flatMap(({ name, partitions }) => partitions.map((_, index) => `${name}-${index}`))
    if (places.length === 0) return
    const place = places[randomInteger(this.#random, places.length)]
    const isClean = this.#chance(0.5)
    const name = `${place}/${this.#chance(0.5) ? '00009000000000000000' : '09999999999999999999'}.log`
    this.#note(`${name} appears, ${isClean ? 'after the end' : 'as after a crash'}`)
    const storage = this.#disk.mount()
    await this.#settled(Promise.resolve(storage.open(name)).then(file => file.close()))
    if (!isClean) await this.#settled(Promise.resolve(storage.remove('.kafka_cleanshutdown')))
    await this.#settled(Promise.resolve(storage.close()))
    const life = await this.#open(false)
    for (const [name, { partitions }] of life.cluster.topics) {
      const topic = this.#model.topics.get(name)
      for (const { log, partition } of topic ? partitions : []) {
        const model = (topic as TopicModel).partitions[partition]
        if (log.failure) {
          if (`${name}-${partition}` !== place) throw new Violation(`${name}-${partition} is stopped by what lies in ${place}`)
          await this.#readDamaged(place, log)
        } else {
          const expected = { onlyDurable: true, isComplete: true, isClean: false }
          checkPartition(`${name}-${partition}`, model, topic as TopicModel, this.#model.sent, log, await this.#readAll(log), expected)
          if (log.logEndOffset > 1_000_000) throw new Violation(`${place} ends at ${log.logEndOffset}`)
        }
      }
    }
    await this.#end(life, 'close', true)
  }

  async #readDamaged(place: string, log: Log): Promise<void> {
    if (log.failure) return this.#note(`it is refused: ${log.failure.message}`)
    try {
      for (const { id, key, value } of await this.#readAll(log)) {
        const sent = this.#model.sent.get(id)
        // Offsets are not under the checksum.
        if (`${sent?.topic}-${sent?.partition}` !== place || sent?.key !== key || sent.value !== value)
          throw new Violation(`${place}: record ${id} with ${key} and ${value} was never sent`)
      }
    } catch (error) {
      if (!(error instanceof KafkaError) && !(error as Error).message.includes('the offsets go back')) throw error
      this.#note(`it is refused: ${error}`)
    }
  }

  /** Most lives meet with some trouble. */
  #plan(): void {
    const dice = this.#random.next()
    if (dice < 0.4) {
      const operations = 1 + randomInteger(this.#random, 80)
      this.#note(`the disk will stop after ${operations} operations`)
      this.#disk.stopAfter(operations)
    } else if (dice < 0.65 && this.#options.faults !== false) {
      const kinds: (DiskOperation | undefined)[] = [
        'open',
        'append',
        'append',
        'read',
        'sync',
        'truncate',
        'remove',
        'rename',
        'syncFolder',
        undefined
      ]
      const operation = kinds[randomInteger(this.#random, kinds.length)]
      const fault = { operation, code: this.#chance(0.5) ? 'EIO' : 'ENOSPC', after: randomInteger(this.#random, 20) } as const
      this.#note(`there will be a fault: ${JSON.stringify(fault)}`)
      this.#disk.fail(fault)
    }
  }

  async #open(isDurable: boolean): Promise<Life> {
    this.#note(`--- open, ${isDurable ? 'always' : 'os'}: ${Object.keys(this.#disk.files()).length} files`)
    this.#clock = new VirtualClock(this.#clock.now() + 1000)
    const extendAheadBytes = this.#options.zeros === false ? 0 : 4096
    const maxSyncWriteBytes = this.#chance(0.5) ? 1024 : 65_536
    const storage = this.#disk.mount({ syncEachAppend: isDurable, maxSyncWriteBytes, extendAheadBytes })
    const note = (line: string) => this.#note(line)
    const count = (what: 'compactions' | 'removals' | 'tornTails') => void this.#tally[what]++
    return Life.open(
      {
        disk: this.#disk,
        random: this.#random,
        model: this.#model,
        audiences: this.#audiences,
        clock: this.#clock,
        isDurable,
        note,
        count
      },
      storage
    )
  }

  /** Opens while the disk fails or stops: this ends with a clear error, or well; and does no harm. */
  async #failToOpen(isDurable: boolean): Promise<void> {
    const operations = randomInteger(this.#random, 60)
    const isFault = this.#chance(0.5) && this.#options.faults !== false
    this.#note(`--- ${isFault ? 'a fault' : 'the end'} after ${operations} operations of opening`)
    if (isFault) this.#disk.fail({ after: operations, code: this.#chance(0.5) ? 'EIO' : 'ENOSPC' })
    try {
      const opening = this.#open(isDurable)
      if (!isFault) this.#disk.stopAfter(operations)
      const life = await opening
      await this.#end(life, 'process', true)
    } catch (error) {
      this.#note(`opening failed: ${error}`)
      if (!(error instanceof KafkaError)) throw error
      // A process that failed to open goes on to live, or ends.
      if (this.#chance(0.5) || this.#disk.hasStopped) this.#disk.crash('process')
    }
    this.#disk.mend()
  }

  async #end(life: Life, end: End, hasFailed: boolean): Promise<End> {
    if (end === 'close') {
      const closing = life.cluster.close()
      let failure: unknown
      closing.catch(error => {
        failure = error
      })
      if (!(await settled(this.#clock, [closing], () => this.#disk.hasStopped))) {
        if (this.#disk.hasStopped) return this.#crash(this.#crashKind(), life)
        throw new Violation('Closing never ends')
      }
      this.#note(`closed${failure ? ` with ${failure}` : ''}`)
      if (this.#disk.hasStopped) return this.#crash(this.#crashKind(), life)
      if (failure && !hasFailed) throw new Violation(`Closing failed for no reason: ${(failure as Error).stack}`)
      life.isOver = true
      this.#observeStarts(life)
      if (failure || hasFailed) return 'process'
      this.#model.makeDurable()
      if (this.#chance(0.3) && this.#options.powerCuts !== false) return this.#crash('power', life)
      return 'close'
    }
    return this.#crash(end as 'process' | 'power', life)
  }

  async #crash(kind: 'process' | 'power', life: Life): Promise<End> {
    life.isOver = true
    this.#disk.crash(kind)
    await this.#clock.advance(0)
    this.#observeStarts(life)
    this.#note(`=== crash: ${kind}`)
    if (kind === 'power' && !this.#wasDurable) for (const audience of this.#audiences) audience.lostPower()
    if (kind === 'power') this.#tally.powerCuts++
    else this.#tally.crashes++
    return kind
  }

  #observeStarts(life: Life): void {
    for (const topic of this.#model.topics.values()) {
      const live = life.cluster.topics.get(topic.name)
      if (!live || (topic.id !== undefined && live.id !== topic.id)) continue
      for (const [index, partition] of topic.partitions.entries()) {
        const log = live.partitions[index]?.log
        if (log) partition.startOffset = Math.max(partition.startOffset, log.logStartOffset)
      }
    }
  }

  /** Holds the opened cluster against the model, and takes it from there. */
  async #check(life: Life, end: End, isDurable: boolean): Promise<void> {
    const onlyDurable = end === 'power'
    const { topics } = life.cluster
    this.#wasDurable = isDurable
    for (const [name, topic] of this.#model.topics) {
      const found = topics.get(name)
      const isKnown = !onlyDurable || topic.isDurable
      if (!found && topic.state === 'present' && isKnown) throw new Violation(`Topic ${name} is gone`)
      if (found && topic.state === 'absent' && isKnown) throw new Violation(`Topic ${name} was deleted and is back`)
      if (!found) {
        topic.state = 'absent'
        topic.isDurable = end === 'power' || isDurable
      }
    }
    for (const [name, found] of topics) {
      if (name.startsWith('__')) continue
      const known = this.#model.topics.get(name)
      if (!known) throw new Violation(`Topic ${name} was never created`)
      const isKnown = known.state === 'present' && (!onlyDurable || known.isDurable)
      if (isKnown && known.id !== found.id) throw new Violation(`Topic ${name} has the id ${found.id} instead of ${known.id}`)
      const configs = Object.fromEntries(nodeOf(life.cluster.node!).metadata.topics.get(name)?.configs ?? [])
      if (isKnown && !known.hasUnclearConfigs && !sameConfigs(configs, known.configs))
        throw new Violation(`Topic ${name} has the configs ${JSON.stringify(configs)} instead of ${JSON.stringify(known.configs)}`)
      const count = found.partitions.length
      if (isKnown && (count < known.partitions.length || count > known.maxPartitions))
        throw new Violation(`Topic ${name} has ${count} partitions instead of ${known.partitions.length}`)
      const isComplete = isKnown || (known.state === 'unclear' && end !== 'power')
      const topic = new TopicModel(name, count, configs)
      topic.id = found.id
      topic.state = 'present'
      const isAsKnown = isKnown && count === known.partitions.length && !known.hasUnclearConfigs
      topic.isDurable = isDurable || end === 'power' || (known.isDurable && isAsKnown)
      topic.grow(count)
      if (known.id === found.id)
        for (const index of topic.partitions.keys()) if (known.partitions[index]) topic.partitions[index] = known.partitions[index]
      for (const [index, model] of topic.partitions.entries()) {
        const { log } = found.partitions[index]
        if (log.failure) throw new Violation(`${name}-${index} is stopped: ${log.failure.message}`)
        const records = await this.#readAll(log)
        const expected = {
          onlyDurable,
          isComplete: isComplete && known.id === found.id,
          isClean: end === 'close' && known.state === 'present'
        }
        checkPartition(`${name}-${index}`, model, topic, this.#model.sent, log, records, expected)
        await this.#settled(checkLookups(`${name}-${index}`, log, records))
        model.rebase(records, this.#model.sent, log.logStartOffset, isDurable || end === 'power')
      }
      for (const [key, commit] of this.#model.commits) {
        if (commit.topic !== known) continue
        if (known.id === found.id) this.#model.commits.set(key, { ...commit, topic, ...(isKnown ? {} : { acked: -1, durable: -1 }) })
      }
      known.state = 'absent'
      this.#model.topics.set(name, topic)
    }
    await this.#checkCommits(life, onlyDurable, isDurable || end === 'power')
    this.#note(
      `all is well: ${[...topics.values()].map(({ name, partitions }) => `${name} ${partitions.map(({ log }) => `${log.logStartOffset}..${log.logEndOffset}`).join(' ')}`).join(', ')}`
    )
  }

  async #checkCommits(life: Life, onlyDurable: boolean, isDurable: boolean): Promise<void> {
    const found = new Map<string, number>()
    for (const [key, { group, topic, partition }] of this.#model.commits) {
      if (topic.state !== 'present') continue
      const fetching = life.committed(group, topic.name, partition)
      fetching.catch(() => {})
      if (!(await settled(this.#clock, [fetching], () => false))) throw new Violation('Fetching offsets never ends')
      found.set(key, await fetching)
    }
    checkCommits(this.#model, key => found.get(key) as number, onlyDurable)
    for (const commit of this.#model.commits.values()) if (isDurable) commit.durable = commit.acked
  }

  #readAll(log: Log): Promise<Found[]> {
    return this.#settled(readAll(log, 1 + randomInteger(this.#random, 5000)))
  }

  async #settled<T>(reading: Promise<T>): Promise<T> {
    reading.catch(() => {})
    if (!(await settled(this.#clock, [reading], () => false))) throw new Violation('Reading never ends')
    return reading
  }

  #crashKind(): 'process' | 'power' {
    return this.#chance(0.5) && this.#options.powerCuts !== false ? 'power' : 'process'
  }

  #chance(likelihood: number): boolean {
    return this.#random.next() < likelihood
  }

  #note(line: string): void {
    this.#options.story?.push(line)
  }
}

function sameConfigs(one: Record<string, string>, other: Record<string, string>): boolean {
  const text = (configs: Record<string, string>) => JSON.stringify(Object.entries(configs).sort())
  return text(one) === text(other)
}
