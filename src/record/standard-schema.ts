/**
 * A validator that follows the Standard Schema specification (https://standardschema.dev), such as
 * a schema of zod, valibot or arktype. Only its shape is needed here, not a package.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: ReadonlyArray<SchemaIssue> }

export interface SchemaIssue {
  readonly message: string
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined
}

/** Runs a validator that must answer at once. */
export function validate<Output>(schema: StandardSchema<unknown, Output>, value: unknown): SchemaResult<Output> {
  const result = schema['~standard'].validate(value)
  if (!(result instanceof Promise)) return result
  result.catch(() => {})
  throw new TypeError(`Expected a schema that validates synchronously, got one of ${schema['~standard'].vendor} that returns a promise`)
}

/**
 * Lists the issues of a value, with the path to each place: "url: Required; user.name: Expected
 * string".
 */
export function issuesText(issues: ReadonlyArray<SchemaIssue>): string {
  return issues
    .map(({ path, message }) => {
      const keys = path?.map(part => String(typeof part === 'object' ? part.key : part)).join('.')
      return keys ? `${keys}: ${message}` : message
    })
    .join('; ')
}
