import { connect, type NatsConnection } from 'nats'
import { type Server, startServer } from '../servers.js'

/** A NATS server with JetStream in `folder`. */
export async function startNats(folder: string): Promise<{ connect(): Promise<NatsConnection>; stop(): Promise<void> }> {
  const server: Server = await startServer('nats-server', port => ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder])
  const connections: NatsConnection[] = []
  return {
    async connect() {
      const connection = await connect({ servers: `127.0.0.1:${server.port}` })
      connections.push(connection)
      return connection
    },
    async stop() {
      for (const connection of connections) await connection.close()
      await server.stop()
    }
  }
}
