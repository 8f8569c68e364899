import type { Api } from '../protocol/message.js'
import { CreateTopics } from '../protocol/messages/create-topics.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { ListOffsets } from '../protocol/messages/list-offsets.js'
import { Metadata } from '../protocol/messages/metadata.js'
import { Produce } from '../protocol/messages/produce.js'
import type { Handler } from './handler.js'
import { createTopics } from './handlers/create-topics.js'
import { fetch } from './handlers/fetch.js'
import { listOffsets } from './handlers/list-offsets.js'
import { metadata } from './handlers/metadata.js'
import { produce } from './handlers/produce.js'

// biome-ignore lint/suspicious/noExplicitAny: the table holds handlers of all kinds; `serve` made sure that each fits its API
const handlers: (Handler<any> | undefined)[] = []

function serve<A extends Api>(api: A, handler: Handler<A>): void {
  handlers[api.key] = handler
}

serve(Produce, produce)
serve(Fetch, fetch)
serve(ListOffsets, listOffsets)
serve(Metadata, metadata)
serve(CreateTopics, createTopics)

/** Who answers an API on a node; undefined for one that it does not serve. */
export function handlerOf<A extends Api>(api: A): Handler<A> | undefined {
  return handlers[api.key]
}
