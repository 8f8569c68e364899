/**
 * Calls `step`, which moves a clock, until a promise has settled, and settles as it does. `step` is
 * told how often it was called before. First come some turns of the event loop: what needs no time
 * gets none.
 */
export async function untilSettled<T>(promise: Promise<T>, step: (steps: number) => Promise<unknown>): Promise<T> {
  let isSettled = false
  const settled = promise.finally(() => (isSettled = true))
  settled.catch(() => {})
  for (let turns = 0; turns < 20 && !isSettled; turns++) await new Promise(resolve => setImmediate(resolve))
  for (let steps = 0; !isSettled; steps++) await step(steps)
  return settled
}
