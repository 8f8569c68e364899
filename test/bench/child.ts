/**
 * One contestant at one work, in a process of its own: warms up, does the work, and tells what it took. Started by the runner with
 * `{ work, contestant, scale, warmUp, scratch }`; answers over the channel.
 */
import { type Contestant, Missing, type Readings } from './contest.js'
import { Setting } from './setting.js'
import { stalls } from './stalls.js'
import { works } from './works/index.js'

export interface Task {
  readonly work: string
  readonly contestant: string
  readonly scale: number
  /** The scale of the run before the one that counts; 0 for none. */
  readonly warmUp: number
  readonly scratch: string
}

export type Answer =
  | { readonly readings: Readings; readonly peakMiB: number; readonly stallMs: number; readonly cores: number }
  | { readonly missing: string }
  | { readonly failed: string }

const task = JSON.parse(process.argv[2]) as Task
const answer = await perform(task)
if (process.send) process.send(answer, () => process.exit(0))
else {
  console.log(answer)
  process.exit(0)
}

async function perform({ work: workName, contestant: name, scale, warmUp, scratch }: Task): Promise<Answer> {
  const setting = new Setting(scale, scratch)
  const small = new Setting(warmUp, scratch)
  try {
    const work = await works[workName]()
    const contestant = work.contestants.find(contestant => contestant.name === name) as Contestant
    if (warmUp > 0 && contestant.warmsUp !== false) await contestant.run(scaled(small, contestant))
    small.cleanUp()
    await stalls.begin()
    const [cpu, started] = [process.cpuUsage(), performance.now()]
    const readings = await contestant.run(scaled(setting, contestant))
    const { user, system } = process.cpuUsage(cpu)
    const cores = (user + system) / 1000 / (performance.now() - started)
    await stalls.end()
    return { readings, peakMiB: process.resourceUsage().maxRSS / 1024, stallMs: stalls.longest, cores }
  } catch (error) {
    if (error instanceof Missing) return { missing: error.message }
    const { code, message, stack } = error as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND') return { missing: message.split('\n')[0].replace(/ imported from .*/, '') }
    return { failed: stack ?? String(error) }
  } finally {
    small.cleanUp()
    setting.cleanUp()
  }
}

function scaled(setting: Setting, { effort = 1 }: Contestant): Setting {
  return effort === 1 ? setting : setting.times(effort)
}
