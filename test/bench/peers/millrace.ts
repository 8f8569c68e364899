/**
 * The library as it was built: what `dist` holds, or the folder that `--library` names, so that two builds can be compared.
 */
import { pathToFileURL } from 'node:url'
import type * as Library from 'millrace'
import type * as FileModule from 'millrace/file'
import type * as WireModule from 'millrace/wire'

export type { Consumer, Producer, ProducerOptions, TypedTopic } from 'millrace'

export const home = process.env.MILLRACE_LIBRARY
  ? pathToFileURL(`${process.env.MILLRACE_LIBRARY}/`)
  : new URL('../../../../../dist/', import.meta.url)

export const { Cluster, topic, string, bytes, json, BatchBuilder, Log, memoryStorage } = (await import(
  new URL('index.js', home).href
)) as typeof Library

export async function fileModule(): Promise<typeof FileModule> {
  return import(new URL('storage/file/index.js', home).href)
}

export async function wireModule(): Promise<typeof WireModule> {
  return import(new URL('wire/index.js', home).href)
}
