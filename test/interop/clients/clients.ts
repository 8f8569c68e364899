import type { ForeignClient } from './client-round.js'
import { confluentGo, franzGo } from './go.js'
import { java } from './java.js'
import { kafkajs } from './kafkajs.js'
import { kcat } from './kcat.js'
import { nodeRdkafka } from './node-rdkafka.js'
import { platformatic } from './platformatic.js'
import { confluentPython, kafkaPython } from './python.js'

/** The clients that are let loose on a listener. */
export const clients: readonly ForeignClient[] = [
  kcat,
  kafkajs,
  platformatic,
  nodeRdkafka,
  kafkaPython,
  confluentPython,
  franzGo,
  confluentGo,
  java
]
