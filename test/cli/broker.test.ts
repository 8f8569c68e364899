import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ended, millrace, millraceHere, Running, temporaryFolder } from './millrace.js'

const folder = temporaryFolder()

/** Starts `millrace serve` and resolves with it and the address it says. */
async function serve(...args: string[]): Promise<{ serving: Running; address: string }> {
  const serving = new Running(['serve', '--port', '0', ...args])
  const [, address] = await serving.prints(/^millrace listening on (\S+)\n/m)
  return { serving, address }
}

async function end({ serving }: { serving: Running }, signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
  serving.child.kill(signal)
  return serving.ended
}

describe('a broker on the command line', () => {
  let broker: Awaited<ReturnType<typeof serve>>
  beforeAll(async () => {
    broker = await serve('--topic', 'orders:3', '--topic', 'visits')
  })
  afterAll(async () => {
    expect(await end(broker)).toMatchObject({ code: 0, output: `millrace listening on ${broker.address}\n` })
  })

  it('takes lines as records and shows them again', async () => {
    const lines = Array.from({ length: 2500 }, (_, n) => `key ${n % 10}=value ${n}`).join('\n')
    const sent = await millrace(['produce', 'orders', '-b', broker.address, '--key-separator', '=', '-z', 'lz4'], `${lines}\n`)
    expect(sent).toEqual({ code: 0, output: '', errors: '2500 records sent to orders\n' })
    const { code, output } = await millraceHere('consume', 'orders', '-b', broker.address, '--from', 'earliest', '--exit', '--values')
    expect(code).toBe(0)
    expect(output.trimEnd().split('\n').sort()).toEqual(Array.from({ length: 2500 }, (_, n) => `value ${n}`).sort())
  })

  it('goes on where a group was', async () => {
    const consume = (...args: string[]) =>
      millraceHere('consume', 'visits', '--broker', broker.address, '--group', 'readers', '--from', 'earliest', '--json', ...args)
    await millrace(['produce', 'visits', '-b', broker.address], 'a\nb\nc\nd\n')
    const values = ({ output }: Ended) =>
      output
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line).value)
    expect(values(await consume('--count', '3'))).toEqual(['a', 'b', 'c'])
    expect(values(await consume('--exit'))).toEqual(['d'])
    expect(values(await consume('--exit'))).toEqual([])
    const { output } = await millraceHere('groups', '--broker', broker.address)
    expect(output).toMatch(/^readers +empty +0 +visits +0 +4 +4 +0$/m)
  })

  it('lists its topics', async () => {
    const { code, output } = await millraceHere('topics', '--broker', broker.address)
    expect(code).toBe(0)
    expect(output).toMatch(/^orders +3 +2500 +- +[\w-]{22}$/m)
  })

  it('ends when another has taken its directory', async () => {
    const dir = join(folder, 'taken')
    const { serving } = await serve('--dir', dir)
    rmSync(join(dir, '.lock'))
    const { code, errors } = await serving.ended
    expect(code).toBe(1)
    expect(errors).toContain('The lock on the directory')
  })

  it('says in a line what is wrong', async () => {
    const consumed = await millraceHere('consume', 'absent', '--broker', broker.address)
    expect(consumed).toMatchObject({ code: 1, errors: expect.stringMatching(/^millrace consume: .*absent.*\n$/) })
    const produced = await millrace(['produce', 'orders', '-b', broker.address, '-k', '='], 'a=1\nb\n')
    expect(produced).toMatchObject({ code: 2, errors: expect.stringContaining("line 2 holds no '='") })
    const shown = await millrace(['consume', 'orders', '-b', broker.address, '--from', 'earliest', '--exit', '--values'])
    expect(shown.output.split('\n')).toContain('1')
    const second = await millrace(['serve', '--port', broker.address.split(':')[1]])
    expect(second).toMatchObject({ code: 1, errors: expect.stringContaining('address already in use') })
  })
})

describe('serve', () => {
  it('keeps what it took in a directory, and lets nobody else have it meanwhile', async () => {
    const directory = join(folder, 'kept')
    const first = await serve('--dir', directory, '--topic', 'orders:1')
    await millrace(['produce', 'orders', '-b', first.address], 'one\ntwo\n')
    const intruder = await millrace(['serve', '--port', '0', '--dir', directory])
    expect(intruder).toMatchObject({ code: 1, errors: expect.stringContaining(`in use by process ${first.serving.child.pid}`) })
    await end(first, 'SIGINT')
    const second = await serve('--dir', directory, '--topic', 'orders:1')
    const { output } = await millraceHere('consume', 'orders', '-b', second.address, '--from', 'earliest', '--exit', '--values')
    expect(output).toBe('one\ntwo\n')
    expect(await end(second)).toMatchObject({ code: 0 })
  })

  it('lets in only whom it was told of', async () => {
    const broker = await serve('--sasl', 'ann:secret:with colons', '--sasl', 'bob:b')
    const topics = (...args: string[]) => millraceHere('topics', '--broker', broker.address, ...args)
    expect(await topics('--sasl', 'ann:secret:with colons')).toMatchObject({ code: 0 })
    expect(await topics('--sasl', 'bob:b', '--mechanism', 'SCRAM-SHA-512')).toMatchObject({ code: 0 })
    expect(await topics('--sasl', 'bob:a')).toMatchObject({ code: 1, errors: expect.stringContaining('uthentication failed') })
    await end(broker)
  })
})
