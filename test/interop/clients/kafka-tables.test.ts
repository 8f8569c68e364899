import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { apis } from '../../../src/protocol/apis.js'
import { type Field, type Fields, includesVersion, type VersionRange, type Versions, versionRange } from '../../../src/protocol/message.js'
import { missingKafka } from '../kafka/apache-kafka.js'

/** A message as Kafka's own definition has it; those of the version that is checked against come in its client library. */
interface Definition {
  readonly apiKey: number
  readonly type: 'request' | 'response'
  readonly name: string
  readonly validVersions: Versions
  readonly flexibleVersions: Versions
  /** The last version is not served yet. */
  readonly latestVersionUnstable?: boolean
  readonly fields: readonly DefinedField[]
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly DefinedField[] }[]
}

interface DefinedField {
  readonly name: string
  readonly type: string
  readonly versions: Versions
  readonly nullableVersions?: Versions
  readonly taggedVersions?: Versions
  readonly tag?: number
  readonly fields?: readonly DefinedField[]
}

const missing = await missingKafka()
const jar = fileURLToPath(new URL('../kafka/lib/kafka-clients-4.3.0.jar', import.meta.url))
const definitions = missing ? [] : await readDefinitions()

describe.skipIf(missing)("the tables of messages, beside Kafka 4.3's own definitions", () => {
  it.each(apis)('$name', api => {
    const unstable = definitions.some(each => each.apiKey === api.key && each.latestVersionUnstable === true)
    for (const type of ['request', 'response'] as const) {
      const definition = definitions.find(each => each.apiKey === api.key && each.type === type) as Definition
      expect(api.versions).toEqual(servedVersions(definition.validVersions, unstable))
      for (let version = api.versions.min; version <= api.versions.max; version++) {
        const flexible = includesVersion(versionRange(definition.flexibleVersions), version)
        expect(includesVersion(api.flexible, version), `${definition.name} v${version} is flexible`).toBe(flexible)
        expect(shape(api[type].fields, version), `${definition.name} v${version}`).toEqual(
          definedShape(definition.fields, version, definition)
        )
      }
    }
  })
})

/** What of a message is on the wire in a version: kinds in their order, nullability, tags. Names only help to find a difference. */
function shape(fields: Fields, version: number): unknown[] {
  const present = Object.entries(fields).filter(([, field]) => includesVersion(field.versions, version))
  return sorted(
    present.map(([name, field]) => ({
      name: name.toLowerCase(),
      kind: kindOf(field),
      nullable: includesVersion(field.nullable, version),
      tag: field.tag !== undefined && includesVersion(field.tagged, version) ? field.tag : null,
      fields: fieldsOf(field) ? shape(fieldsOf(field) as Fields, version) : null
    }))
  )
}

function kindOf(field: Field): string {
  return field.kind === 'array' ? `[]${kindOf(field.element as Field)}` : field.kind
}

function fieldsOf(field: Field): Fields | undefined {
  return field.kind === 'array' ? fieldsOf(field.element as Field) : field.fields
}

function definedShape(fields: readonly DefinedField[], version: number, definition: Definition): unknown[] {
  const has = (versions: Versions | undefined) => versions !== undefined && includesVersion(versionRange(versions), version)
  return sorted(
    fields
      .filter(field => has(field.versions) || has(field.taggedVersions))
      .map(field => {
        const element = field.type.replace('[]', '')
        const inner = field.fields ?? definition.commonStructs?.find(({ name }) => name === element)?.fields
        return {
          name: field.name.toLowerCase(),
          kind: inner ? field.type.replace(element, 'struct') : field.type,
          nullable: has(field.nullableVersions),
          tag: has(field.taggedVersions) ? (field.tag ?? null) : null,
          fields: inner ? definedShape(inner, version, definition) : null
        }
      })
  )
}

/** Tagged fields go by their tags, wherever they are written down. */
function sorted<T extends { readonly tag: number | null }>(fields: T[]): T[] {
  return [
    ...fields.filter(({ tag }) => tag === null),
    ...fields.filter(({ tag }) => tag !== null).sort((a, b) => Number(a.tag) - Number(b.tag))
  ]
}

function servedVersions(valid: Versions, latestIsUnstable: boolean): VersionRange {
  const { min, max } = versionRange(valid)
  return { min, max: latestIsUnstable ? max - 1 : max }
}

async function readDefinitions(): Promise<Definition[]> {
  const names = apis.flatMap(({ name }) => [`${name}Request`, `${name}Response`])
  return Promise.all(names.map(async name => definitionIn(await unzipped(`common/message/${name}.json`))))
}

async function unzipped(file: string): Promise<string> {
  return (await promisify(execFile)('unzip', ['-p', jar, file])).stdout
}

function definitionIn(text: string): Definition {
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, ''))
}
