import { execFileSync } from 'node:child_process'

/** Mounts an empty file system in memory over a directory. Returns whether that was permitted. */
export function mount(directory: string, options: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Takes it away again, once the last who looks at it has gone. */
export function unmount(directory: string): void {
  execFileSync('umount', ['--lazy', directory])
}
