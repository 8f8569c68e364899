import { KafkaError } from '../../errors.js'

/** Makes an error of the operating system one that names the file and keeps the reason. */
export function storageError(action: string, path: string, cause: unknown): KafkaError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new KafkaError('STORAGE_FAILED', `${action} \`${path}\` failed: ${reason}`, { cause })
}

export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === 'ENOENT' || code === 'ENOTDIR'
}
