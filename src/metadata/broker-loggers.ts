import { KafkaError } from '../errors.js'

const levels = ['DEBUG', 'ERROR', 'FATAL', 'INFO', 'TRACE', 'WARN']

/**
 * The one logger of a node and its level, which clients can read and set. Nothing is logged: what a
 * node has to tell is an event.
 */
export class BrokerLoggers {
  #level = 'INFO'

  /** Each logger with its level. */
  get all(): readonly { readonly name: string; readonly level: string }[] {
    return [{ name: 'root', level: this.#level }]
  }

  /** Sets the level of a logger. Throws INVALID_CONFIG where there is no such logger or level. */
  set(name: string, level: string): void {
    this.expectLevel(name, level)
    this.#level = level.toUpperCase()
  }

  /** Throws INVALID_CONFIG where there is no such logger or level. */
  expectLevel(name: string, level: string): void {
    this.expectLogger(name)
    if (!levels.includes(level.toUpperCase()))
      throw new KafkaError('INVALID_CONFIG', `There is no log level \`${level}\`; there are ${levels.join(', ')}`)
  }

  /** Throws INVALID_CONFIG where there is no such logger. */
  expectLogger(name: string): void {
    if (name !== 'root') throw new KafkaError('INVALID_CONFIG', `There is no logger \`${name}\`; there is \`root\``)
  }
}
