import { string } from '../message.js'

/**
 * One part of whom a quota is for: a user, a client id or an address; the name is null for all that
 * have no quota of their own.
 */
export const quotaEntity = {
  entityType: string(),
  entityName: string({ nullable: '0+' })
}
