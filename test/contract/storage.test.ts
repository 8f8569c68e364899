import { describe, it } from 'vitest'
import { memoryStorage } from '../../src/storage/memory.js'
import { storageContract } from '../../src/testing/storage-contract.js'
import { DelayedStorage } from '../storage/delayed-storage.js'

describe('the contract of storages, kept by memory', () => {
  for (const { name, run } of storageContract({ open: () => memoryStorage() })) it(name, run)
})

describe('the contract of storages, kept by one that answers later', () => {
  for (const { name, run } of storageContract({ open: () => new DelayedStorage(), reopen: storage => storage })) it(name, run)
})
