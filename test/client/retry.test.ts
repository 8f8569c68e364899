import { describe, expect, it } from 'vitest'
import { Backoff } from '../../src/client/retry.js'
import { seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

const always = (value: number) => ({ next: () => value })

describe('the wait between two tries', () => {
  it('doubles up to its limit, give or take a fifth', () => {
    const least = new Backoff(new VirtualClock(), always(0))
    const most = new Backoff(new VirtualClock(), always(1))
    expect([1, 2, 3, 4, 5, 99].map(failures => least.delayMs(failures))).toEqual([80, 160, 320, 640, 1000, 1000])
    expect([1, 2, 3, 4, 99].map(failures => Math.round(most.delayMs(failures)))).toEqual([120, 240, 480, 960, 1000])
    expect(new Backoff(new VirtualClock(), always(0.5), { retryBackoffMs: 7, retryBackoffMaxMs: 10 }).delayMs(2)).toBe(10)
  })
})

describe('trying again', () => {
  const failTimes = (times: number, error: unknown) => {
    let tries = 0
    return async () => {
      if (tries++ < times) throw error
      return tries
    }
  }

  it('ends with the first success', async () => {
    const clock = new VirtualClock()
    const result = new Backoff(clock, seededRandom(1)).retry(failTimes(3, new KafkaError('NETWORK_EXCEPTION')), {})
    await clock.advance(2000)
    expect(await result).toBe(4)
    expect(clock.timerCount).toBe(0)
  })

  it('ends with an error that it cannot mend', async () => {
    const clock = new VirtualClock()
    const backoff = new Backoff(clock, seededRandom(1))
    await expect(backoff.retry(failTimes(1, new KafkaError('INVALID_REQUEST')), {})).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    await expect(backoff.retry(failTimes(1, new TypeError('no')), {})).rejects.toThrowError('no')
    await expect(backoff.retry(failTimes(1, new TypeError('no')), {}, () => false)).rejects.toThrowError('no')
    expect(clock.timerCount).toBe(0)
  })

  it('ends with its time, with the last error if there was one', async () => {
    const clock = new VirtualClock()
    const backoff = new Backoff(clock, seededRandom(1))
    const failing = backoff.retry(failTimes(99, new KafkaError('NETWORK_EXCEPTION')), { timeoutMs: 1000 }).catch(error => error)
    const silent = backoff.retry(() => new Promise<never>(() => {}), { timeoutMs: 1000 }).catch(error => error)
    await clock.advance(1000)
    expect([(await failing).code, (await silent).code]).toEqual(['NETWORK_EXCEPTION', 'REQUEST_TIMED_OUT'])
    expect(clock.timerCount).toBe(0)
  })

  it('ends with its signal, in a try or between two', async () => {
    const clock = new VirtualClock()
    const backoff = new Backoff(clock, seededRandom(1))
    const controller = new AbortController()
    const options = { signal: controller.signal }
    const failing = backoff.retry(failTimes(99, new KafkaError('NETWORK_EXCEPTION')), options).catch(error => error)
    const silent = backoff.retry(() => new Promise(() => {}), options).catch(error => error)
    await clock.advance(50)
    controller.abort('enough')
    expect([await failing, await silent]).toEqual(['enough', 'enough'])
    await expect(backoff.retry(async () => 1, options)).rejects.toBe('enough')
    expect(clock.timerCount).toBe(0)
  })
})
