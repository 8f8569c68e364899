import { once } from 'node:events'
import { Cluster } from '../../cluster.js'
import { abortable } from '../../common/deferred.js'
import { fileStorage } from '../../storage/file/file-storage.js'
import { listen } from '../../wire/listener.js'
import { type Command, integerIn, UsageError } from '../command.js'
import { userIn } from '../remote.js'

export const serve: Command = {
  name: 'serve',
  usage: ['[--port 9092] [--host H] [--dir DIR] [--topic NAME:PARTITIONS]… [--sasl USER:PASSWORD]…'],
  summary: 'Lets Kafka clients in any language connect to a cluster in this process',
  details: `Prints "millrace listening on HOST:PORT" once it is ready, and ends in order on SIGTERM and SIGINT.
Without --dir everything is kept in memory and gone at the end. Ends with 1 when another process takes DIR over.`,
  options: {
    port: { short: 'p', value: 'PORT', help: '0 takes a free one. Default: 9092' },
    host: { value: 'HOST', help: 'The address to bind to. Default: 127.0.0.1, this machine only' },
    advertise: { value: 'HOST[:PORT]', help: 'Where clients are told to come back to. Default: where it is bound to' },
    dir: { short: 'd', value: 'DIR', help: 'Where to keep everything; made when it is not there' },
    durability: { value: 'KIND', help: 'os, interval or always: what a record survives once it is acknowledged. Default: os' },
    topic: { short: 't', value: 'NAME:PARTITIONS', multiple: true, help: 'A topic to create when it is not there' },
    sasl: { value: 'USER:PASSWORD', multiple: true, help: 'Who may come in. Default: everybody' },
    config: { short: 'c', value: 'NAME=VALUE', multiple: true, help: "A broker config by Kafka's name, num.partitions=6 for instance" }
  },
  async run(invocation) {
    invocation.args()
    const { output, signal, tell } = invocation
    const port = invocation.integer('port', 0, 65535) ?? 9092
    const topics = invocation.list('topic').map(topicIn)
    const configs = Object.fromEntries(invocation.list('config').map(configIn))
    const users = invocation.list('sasl').map(userIn)
    const dir = invocation.text('dir')
    const durability = (invocation.text('durability') ?? 'os') as 'os' | 'interval' | 'always'
    if (!['os', 'interval', 'always'].includes(durability))
      throw new UsageError(`--durability is os, interval or always, not '${durability}'`)
    const advertised = advertisedIn(invocation.text('advertise'))

    const opening = Cluster.open({ configs, ...(dir !== undefined && { storage: fileStorage(dir, { durability }) }) })
    await using cluster = await abortable(opening, signal).catch(async error => {
      // A large directory takes its time to open after a crash, which does it no harm to be cut
      // short.
      opening.then(
        opened => opened.close(),
        () => {}
      )
      throw error
    })
    const fenced = new Promise<number>(resolve => {
      cluster.on('fenced', ({ error }) => {
        tell(error.message)
        resolve(1)
      })
    })
    cluster.on('error', ({ error, during }) => tell(`error while ${during}: ${(error as Error).message}`))
    cluster.on('topicCreated', ({ topic, partitions }) => tell(`topic ${topic} created, partitions: ${partitions}`))
    cluster.on('topicDeleted', ({ topic }) => tell(`topic ${topic} deleted`))
    const missing = topics.filter(({ name }) => !cluster.topics.has(name))
    if (missing.length > 0) await cluster.admin().createTopics(missing, { signal })

    const sasl = users.length > 0 ? { users: Object.fromEntries(users.map(({ username, password }) => [username, password])) } : undefined
    await using listener = await listen(cluster, { host: invocation.text('host'), port, sasl, ...advertised })
    listener.on('error', error => tell(`error: ${(error as Error).message}`))
    listener.on('disconnected', ({ clientHost, reason }) => reason && tell(`connection of ${clientHost} ended: ${reason.message}`))
    await output.line(`millrace listening on ${listener.address}`)
    await output.flush()
    const ended = signal.aborted ? 0 : await Promise.race([once(signal, 'abort').then(() => 0), fenced])
    await listener.close()
    tell('millrace ends')
    return ended
  }
}

function topicIn(text: string): { readonly name: string; readonly partitions?: number } {
  const [name, partitions, more] = text.split(':')
  if (name === '' || more !== undefined) throw new UsageError(`--topic takes NAME:PARTITIONS, not '${text}'`)
  return partitions === undefined ? { name } : { name, partitions: integerIn('the number of partitions', partitions, 1, 100_000) }
}

function configIn(text: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals < 1) throw new UsageError(`--config takes NAME=VALUE, not '${text}'`)
  return [text.slice(0, equals), text.slice(equals + 1)]
}

function advertisedIn(text: string | undefined): { readonly advertisedHost?: string; readonly advertisedPort?: number } {
  if (text === undefined) return {}
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text)
  if (!match) throw new UsageError(`--advertise takes HOST or HOST:PORT, not '${text}'`)
  const port = match[3] === undefined ? {} : { advertisedPort: integerIn('the advertised port', match[3], 1, 65535) }
  return { advertisedHost: match[1] ?? match[2], ...port }
}
