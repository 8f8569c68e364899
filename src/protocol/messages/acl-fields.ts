import { int8, string } from '../message.js'

/** The ACLs that are meant; a name that is null means any. */
export const aclFilter = {
  resourceTypeFilter: int8(),
  resourceNameFilter: string({ nullable: '0+' }),
  patternTypeFilter: int8({ default: 3 }),
  principalFilter: string({ nullable: '0+' }),
  hostFilter: string({ nullable: '0+' }),
  operation: int8(),
  permissionType: int8()
}

/** The resource of an ACL. */
export const aclResource = {
  resourceType: int8(),
  resourceName: string(),
  patternType: int8({ default: 3 })
}

/** The principal, host, operation and permission of an ACL. */
export const aclEntry = {
  principal: string(),
  host: string(),
  operation: int8(),
  permissionType: int8()
}
