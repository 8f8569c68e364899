export { FileStorage, type FileStorageOptions, fileStorage } from './file-storage.js'
