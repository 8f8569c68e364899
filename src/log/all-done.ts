/**
 * Resolves when all have settled; rejects, no earlier than that, when one has failed: nothing is
 * under way any more then.
 */
export async function allDone(steps: Iterable<unknown>): Promise<void> {
  const outcomes = await Promise.allSettled(steps)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
