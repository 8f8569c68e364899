export type {
  AccessRules,
  AclResourceType,
  Authorize,
  AuthorizedOperation,
  AuthorizeRequest,
  ClientAccess
} from '../protocol/access.js'
export type { ConnectionQuotas, MeteredBroker } from '../protocol/quotas.js'
export type { ConnectOptions, RemoteBrokersOptions } from './client-options.js'
export { connect } from './connect.js'
export { cutAnswer, type Exchange, type Intercept, type Interception, noAnswer } from './intercept.js'
export {
  type Connectable,
  type ConnectionInfo,
  type Listener,
  type ListenerCloseOptions,
  type ListenerEvents,
  listen,
  type NodeOwner
} from './listener.js'
export type { ListenOptions } from './listener-options.js'
export { type RemoteBrokers, remoteBrokers } from './remote-brokers.js'
export type {
  OAuthBearerServerOptions,
  OAuthBearerToken,
  PasswordMechanism,
  SaslClientOptions,
  SaslMechanism,
  SaslPasswordOptions,
  SaslServerOptions,
  SaslTokenOptions,
  TokenContext,
  TokenOwner
} from './sasl/sasl-options.js'
export type { ScramCredential, ScramMechanism } from './sasl/scram-keys.js'
export { Users } from './sasl/users.js'
export type { MaxVersions } from './served-apis.js'
export type { TlsOptions } from './tls-options.js'
