#!/usr/bin/env node
import { run } from './run.js'

/**
 * A signal that comes again this long after the first ends the process as if nobody listened; `npm`
 * passes on what a terminal sends too.
 */
const secondChanceMs = 500

const ending = new AbortController()
const signals = ['SIGINT', 'SIGTERM'] as const
const onSignal = (signal: NodeJS.Signals) => {
  ending.abort(signal)
  setTimeout(() => {
    for (const name of signals) process.off(name, onSignal)
  }, secondChanceMs).unref()
}
for (const signal of signals) process.on(signal, onSignal)
// The reader of our output may close the pipe early.
process.stdout.on('error', error => process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1))

process.exitCode = await run(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr, signal: ending.signal })
// Nothing that was given up, a connection or a read, holds up the end.
if (ending.signal.aborted) process.exit()
