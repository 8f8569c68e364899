import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const script = fileURLToPath(new URL('./small-requests.ts', import.meta.url))

it('a process with a small heap refuses what small requests ask for beyond its limits, and stays up', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--max-old-space-size=256', '--import', import.meta.resolve('tsx'), script],
    { encoding: 'utf8', timeout: 60_000 }
  )
  expect([status, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({
    CreateTopics: expect.arrayContaining(['POLICY_VIOLATION']),
    CreatePartitions: ['POLICY_VIOLATION'],
    JoinGroup: ['GROUP_MAX_SIZE_REACHED', 'MEMBER_ID_REQUIRED'],
    OffsetCommit: ['INVALID_COMMIT_OFFSET_SIZE', 'NONE'],
    AlterUserScramCredentials: ['UNACCEPTABLE_CREDENTIAL']
  })
})
