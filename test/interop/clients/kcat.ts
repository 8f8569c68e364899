import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { codecs, expectEqual, type ForeignClient, Round } from './client-round.js'
import { missingCommand, runCommand } from './run-command.js'

const lines = (text: string) => text.split('\n').filter(line => line !== '')

/** kcat: librdkafka on the command line, as Debian has it. */
export const kcat: ForeignClient = {
  name: 'kcat (librdkafka)',
  missing: () => missingCommand('kcat', ['-V']),
  async version() {
    const text = await runCommand('kcat', ['-V'])
    return /Version ([\d.]+).*?librdkafka ([\d.]+)/s.exec(text)?.slice(1, 3).join(' / ') ?? text.trim()
  },
  async round(address, zstd) {
    const round = new Round()
    const run = (args: readonly string[], input = '') => runCommand('kcat', ['-b', address, '-q', ...args], { input })
    const read = (topic: string, ...more: string[]) => run(['-C', '-t', topic, '-e', '-o', 'beginning', ...more]).then(lines)
    for (const codec of codecs) {
      if (codec === 'zstd' && !zstd) continue
      await round.check(`produce and consume ${codec}`, async () => {
        const records = Array.from({ length: 500 }, (_, i) => `k${i}:value ${i} ${'x'.repeat(100)}`)
        await run(['-P', '-t', `kcat-${codec}`, '-K', ':', '-z', codec, '-H', 'a=1', '-H', 'b=2'], records.join('\n'))
        const got = await read(`kcat-${codec}`, '-f', '%k:%s|%h\\n')
        expectEqual(got.sort(), records.map(record => `${record}|a=1,b=2`).sort())
      })
    }
    await round.check('produce idempotently', async () => {
      await run(['-P', '-t', 'kcat-idempotent', '-X', 'enable.idempotence=true'], 'a\nb\nc\n')
      expectEqual(await read('kcat-idempotent'), ['a', 'b', 'c'])
    })
    await round.check('produce without acknowledgement', async () => {
      await run(['-P', '-t', 'kcat-acks0', '-X', 'acks=0'], 'a\nb\n')
      for (let i = 0; i < 50 && (await read('kcat-acks0')).length < 2; i++);
      expectEqual(await read('kcat-acks0'), ['a', 'b'])
    })
    await round.check('find offsets by time', async () => {
      await run(['-P', '-t', 'kcat-time'], 'early\n')
      await new Promise(resolve => setTimeout(resolve, 20))
      const between = Date.now()
      await new Promise(resolve => setTimeout(resolve, 20))
      await run(['-P', '-t', 'kcat-time'], 'late\n')
      expectEqual(await read('kcat-time', '-o', `s@${between}`), ['late'])
    })
    await round.check('share a group, and go on where it ended', async () => {
      await runCommand('kcat', ['-b', address, '-L', '-t', 'kcat-group'])
      const members = [0, 1].map(() =>
        spawn('kcat', [
          '-b',
          address,
          '-G',
          'kcat-group',
          '-X',
          'auto.offset.reset=earliest',
          '-X',
          'session.timeout.ms=6000',
          '-u',
          'kcat-none'
        ])
      )
      const seen = new Set<string>()
      const all = new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`Only ${seen.size} of 500 arrived`)), 30_000)
        for (const member of members) {
          let rest = ''
          member.stdout.on('data', chunk => {
            const parts = (rest + chunk).split('\n')
            rest = parts.pop() ?? ''
            for (const part of parts) seen.add(part)
            if (seen.size < 500) return
            clearTimeout(late)
            resolve()
          })
        }
      })
      try {
        await all
      } finally {
        for (const member of members) {
          const end = once(member, 'close')
          member.kill('SIGTERM')
          await end
        }
      }
      const again = await runCommand('kcat', [
        '-b',
        address,
        '-G',
        'kcat-group',
        '-e',
        '-q',
        '-X',
        'auto.offset.reset=earliest',
        'kcat-none'
      ])
      expectEqual(lines(again).length, 0)
    })
    return round.checks
  }
}
