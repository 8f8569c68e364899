import { errorNumber } from '../../errors.js'

/** What a Kafka answers to all that concerns access control where no authorizer is set up, as none can be here. */
export const noAuthorizer = {
  errorCode: errorNumber('SECURITY_DISABLED'),
  errorMessage: 'No authorizer is configured: whoever is let in may do everything'
} as const
