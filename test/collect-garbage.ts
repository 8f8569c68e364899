import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Collects what nobody uses any more, before it returns. */
export const collectGarbage: () => void = runInNewContext('gc')
