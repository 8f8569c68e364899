import { createClient } from 'redis'
import { type Server, startServer } from '../servers.js'

/** A Redis with an append-only file in `folder`, and what it takes to talk to it. */
export async function startRedis(folder: string, appendfsync: 'always' | 'everysec' | 'no'): Promise<RedisServer> {
  const server = await startServer('redis-server', port => [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', appendfsync]
  ])
  return new RedisServer(server)
}

export class RedisServer {
  readonly #server: Server
  readonly #clients: RedisClient[] = []

  constructor(server: Server) {
    this.#server = server
  }

  async connect(): Promise<RedisClient> {
    const client = newClient(this.#server.port)
    await client.connect()
    this.#clients.push(client)
    while (!(await isLoaded(client))) await new Promise(resolve => setTimeout(resolve, 20))
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy()
    await this.#server.stop()
  }
}

/** A server that reads its file again answers everything with an error until it is through. */
async function isLoaded(client: RedisClient): Promise<boolean> {
  try {
    await client.ping()
    return true
  } catch (error) {
    if (/^LOADING/.test((error as Error).message)) return false
    throw error
  }
}

const newClient = (port: number) => createClient({ url: `redis://127.0.0.1:${port}` })
export type RedisClient = ReturnType<typeof newClient>
