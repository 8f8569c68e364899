import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { millrace, millraceHere, temporaryFolder } from './millrace.js'

const folder = temporaryFolder()
const sound = join(folder, 'sound')
mkdirSync(join(sound, 'users-0'), { recursive: true })

describe('the command line', () => {
  it('lists its commands', async () => {
    const { code, output, errors } = await millraceHere('--help')
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    for (const name of ['verify', 'dump', 'topics', 'groups', 'tail', 'serve', 'produce', 'consume'])
      expect(output).toContain(`\n  ${name} `)
  })

  it('tells its version', async () => {
    expect(await millraceHere('--version')).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })

  it.each(['verify', 'dump', 'topics', 'groups', 'tail', 'serve', 'produce', 'consume'])('helps with %s', async name => {
    const { code, output } = await millraceHere(name, '--help')
    expect(code).toBe(0)
    expect(output).toMatch(new RegExp(`^Usage: millrace ${name} `))
    expect(output).toContain('-h, --help')
  })

  it.each([
    [[], 'Usage: millrace COMMAND'],
    [['inspect'], "there is no command 'inspect'"],
    [['verify'], 'DIR is missing'],
    [['verify', 'a', 'b'], "'b' is one word too many"],
    [['verify', '--deep', 'a'], "Unknown option '--deep'"],
    [['verify', join(folder, 'absent')], 'there is no directory'],
    [['verify', 'package.json'], 'is not a directory'],
    [['dump', join(folder, 'absent')], 'there is no'],
    [['dump', 'package.json'], 'no file that can be shown'],
    [['dump', folder], 'no folder of a partition'],
    [['verify', folder], 'is no data directory'],
    [['topics', folder], 'is no data directory'],
    [['groups', folder], 'is no data directory'],
    [['tail', folder, 'orders'], 'is no data directory'],
    [['tail', sound, 'orders'], "there is no topic 'orders'"],
    [['consume', 'orders'], '--broker HOST:PORT is missing'],
    [['consume', 'orders', '--broker', 'nowhere'], 'as `host:port`'],
    [['consume', 'orders', '--broker', 'a:1', '--from', 'now'], "--from is earliest or latest, not 'now'"],
    [['produce', 'orders', '--broker', 'a:1', '--partition', 'x'], "--partition takes a whole number of at least 0, not 'x'"],
    [['serve', '--port', '70000'], '--port takes a whole number from 0 to 65535'],
    [['serve', '--topic', 'orders:many'], 'the number of partitions takes a whole number'],
    [['serve', '--sasl', 'ann'], '--sasl takes user:password'],
    [['serve', '--durability', 'none'], '--durability is os, interval or always'],
    [['serve', '--config', 'no.such=1'], 'Unknown config `no.such`']
  ])('refuses %j in a line that says why', async (args, why) => {
    const { code, output, errors } = await millraceHere(...args)
    expect({ code, output }).toEqual({ code: 2, output: '' })
    expect(errors).toContain(why)
    expect(errors).not.toMatch(/^\s+at /m)
  })

  it.each([
    [['topics', '--broker', '127.0.0.1:1'], 'No broker can be reached'],
    [['serve', '--port', '0', '--dir', 'package.json'], 'package.json'],
    [['serve', '--port', '0', '--topic', 'a b:1'], 'not a topic name']
  ])('ends %j with exit code 1 and a line that says why', async (args, why) => {
    const { code, errors } = await millraceHere(...args)
    expect(errors).toContain(why)
    expect(errors).not.toMatch(/^\s+at /m)
    expect(code).toBe(1)
  })

  it('is the same in a process of its own', async () => {
    const [overview, mistake] = await Promise.all([millrace(['--help']), millrace(['verify'])])
    expect(overview).toEqual(await millraceHere('--help'))
    expect(mistake).toEqual(await millraceHere('verify'))
  })
})
