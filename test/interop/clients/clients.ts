import type { ForeignClient } from './client-round.js'
import { java } from './java.js'
import { kafkajs } from './kafkajs.js'
import { kcat } from './kcat.js'

/** The clients that are let loose on a listener. */
export const clients: readonly ForeignClient[] = [kcat, kafkajs, java]
