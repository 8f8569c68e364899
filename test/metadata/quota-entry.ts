/**
 * A change of quotas: `client-id=*,user=ann` for a user's default client, its keys joined by `+`, and
 * the value; null takes the quotas back.
 */
export type QuotaChange = readonly [entity: string, keys: string, value: number | null]

export function quotaEntity(text: string) {
  if (text === '') return []
  return text.split(',').map(part => {
    const [entityType, name] = part.split('=')
    return { entityType, entityName: name === '*' ? null : name }
  })
}

/** The change as a client asks for it. */
export function quotaEntry([entity, keys, value]: QuotaChange) {
  return { entity: quotaEntity(entity), ops: keys.split('+').map(key => ({ key, value: value ?? 0, remove: value === null })) }
}
