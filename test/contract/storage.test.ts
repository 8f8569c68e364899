import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, it } from 'vitest'
import { type FileStorage, type FileStorageOptions, fileStorage } from '../../src/storage/file/index.js'
import { memoryStorage } from '../../src/storage/memory/memory.js'
import { storageContract } from '../../src/testing/storage-contract.js'
import { DelayedStorage } from '../storage/delayed-storage.js'

describe('the contract of storages, kept by memory', () => {
  for (const { name, run } of storageContract({ open: () => memoryStorage() })) it(name, run)
})

describe('the contract of storages, kept by one that answers later', () => {
  for (const { name, run } of storageContract({ open: () => new DelayedStorage(), reopen: storage => storage })) it(name, run)
})

describe('the contract of storages, kept by files', () => {
  const home = mkdtempSync(join(tmpdir(), 'millrace-'))
  let count = 0
  afterAll(() => rmSync(home, { recursive: true }))

  const settings: FileStorageOptions[] = [
    {},
    { durability: 'always' },
    { durability: 'interval', syncIntervalMs: 1 },
    { maxOpenFiles: 8, tailCacheBytes: 0 }
  ]
  for (const options of settings) {
    const open = () => fileStorage(join(home, `${count++}`), options)
    const reopen = ({ directory }: FileStorage) => fileStorage(directory, options)
    for (const { name, run } of storageContract({ open, reopen: storage => reopen(storage as FileStorage) }))
      it(`${name}, ${JSON.stringify(options)}`, run)
  }
})
