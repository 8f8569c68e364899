import type { Answer, Side } from './side.js'

/** What differs from one node to the next, or is told in words of our own. */
const incomparable =
  /^(throttleTimeMs|errorMessage|batchIndexErrorMessage|clusterId|host|port|documentation|logDir|totalBytes|usableBytes|partitionSize)$/

interface Exception {
  readonly path: RegExp
  /** Kafka's answer and ours, as text, joined by a comma; any where it is absent. */
  readonly values?: RegExp
  readonly reason: string
}

/** Fields in which we answer otherwise on purpose, and why. */
const exceptions: readonly Exception[] = [
  {
    path: /^JoinGroup\.protocolName$/,
    values: /^null, $/,
    reason: 'A protocol whose name is empty'
  },
  {
    path: /^Produce\..*errorCode$/,
    values: /^87, 48$/,
    reason: 'Of a faulty batch in no transaction, Kafka tells the first and we tell the second'
  },
  {
    path: /^DescribeGroups\..*members\.client(Id|Host)$/,
    reason: 'Of a static member that came back, Kafka shows the client that was there before'
  },
  {
    path: /^DescribeConfigs\..*value$/,
    values: /^0\.1, 1e-1$/,
    reason: 'Kafka shows numbers as it writes them, we show them as they were given'
  },
  {
    path: /^Fetch\..*records$/,
    values: /^([0-9a-f]*)[0-9a-f]*, \1$/,
    reason: 'Kafka ends in the middle of a batch at the limit of bytes, we end before it; clients pass over a part of a batch'
  },
  {
    path: /^Produce\..*logStartOffset$/,
    values: /^(-1, \d+|\d+, -1)$/,
    reason: 'Where a batch is refused, one of the two may leave out where the log starts'
  },
  {
    path: /^Produce\..*errorCode$/,
    values: /^-1, 2$/,
    reason: 'Kafka fails on compressed records that are damaged (UNKNOWN_SERVER_ERROR), we call the batch corrupt'
  },
  {
    path: /^CreateTopics\.topics\.topicId$/,
    values: /^[\w-]{22}, [\w-]{22}$/,
    reason: 'With validateOnly both make up an id, which no topic gets'
  },
  {
    path: /^AlterReplicaLogDirs\..*errorCode$/,
    values: /^17, 57$/,
    reason: 'Of a name that is too long, in a directory that there is not, Kafka tells the first and we tell the second'
  },
  {
    path: /^IncrementalAlterConfigs\..*errorCode$/,
    values: /^40, 42$/,
    reason: 'A resource with several faulty changes gets the error of one, and Kafka chooses by its hash table'
  },
  {
    path: /^Produce\..*errorCode$/,
    values: /^-1, 76$/,
    reason: 'Kafka fails on a codec that there is not (UNKNOWN_SERVER_ERROR)'
  },
  {
    path: /^ApiVersions\.(apiKeys|supportedFeatures|finalizedFeatures|finalizedFeaturesEpoch)/,
    reason: 'Not all that Kafka serves is served here'
  },
  {
    path: /^IncrementalAlterConfigs\.responses\.errorCode$/,
    values: /^-1, /,
    reason: 'Kafka fails on an operation that there is not (UNKNOWN_SERVER_ERROR)'
  },
  {
    path: /^CreateAcls\.results\.errorCode$/,
    values: /^-1, (0|42)$/,
    reason: 'Kafka fails on a principal that is none (UNKNOWN_SERVER_ERROR)'
  },
  {
    path: /^AlterUserScramCredentials\.results\.errorCode$/,
    values: /^-1, 93$/,
    reason: 'Kafka fails on an empty salted password (UNKNOWN_SERVER_ERROR)'
  },
  {
    path: /^AlterUserScramCredentials\.results\.errorCode$/,
    values: /^(33|91|92|93), (33|91|92|93)$/,
    reason: 'A user with several faulty changes gets the error of one, and Kafka chooses by its hash table'
  },
  {
    path: /^(Alter|IncrementalAlter)Configs\.responses\.errorCode$/,
    values: /^0, 44$/,
    reason: 'Clients may not configure internal topics here'
  },
  { path: /^DeleteRecords\..*errorCode$/, values: /^0, 17$/, reason: 'Clients may not delete from internal topics here' },
  {
    path: /^Fetch\..*logStartOffset$/,
    values: /^-1, \d/,
    reason: 'A client that asked for an offset outside of the log is told where the log starts'
  },
  {
    path: /^DescribeQuorum\..*(logEndOffset|highWatermark|leaderEpoch|Timestamp|replicaDirectoryId)$/,
    reason: 'The two have metadata logs of their own'
  },
  {
    path: /^ListOffsets\..*timestamp$/,
    values: /^1(7[5-9]|[89])\d{11}, 1(7[5-9]|[89])\d{11}$/,
    reason: 'Internal topics have the times of their own records'
  },
  {
    path: /^Produce\..*errorCode$/,
    values: /^87, 21$/,
    reason: 'Of a faulty batch in a request with acks that there are not, Kafka tells one fault and a node of ours the other'
  },
  { path: /^DescribeQuorum\.nodes\.listeners/, reason: 'There is no listener for controllers here' }
]

/** The fields in which two answers differ, as `path: Kafka's, ours`. */
export function differences(
  name: string,
  [kafkas, ours]: readonly [Answer, Answer],
  [theirSide, ourSide]: readonly [Side, Side]
): string[] {
  if (typeof kafkas === 'string' || typeof ours === 'string') {
    const words = [kafkas, ours].map(answer => (typeof answer === 'string' ? answer : `answered ${JSON.stringify(answer)}`))
    return kafkas === ours ? [] : excused(name, words)
  }
  return compared(kafkas, ours, name)

  function compared(theirs: unknown, mine: unknown, path: string): string[] {
    const field = path.slice(path.lastIndexOf('.') + 1)
    if (incomparable.test(field)) return []
    if (Array.isArray(theirs) && Array.isArray(mine)) {
      const [one, other] = [inOrder(merged(theirs), theirSide), inOrder(merged(mine), ourSide)]
      if (one.length !== other.length)
        return excused(
          path,
          [one, other].map(each => `${each.length} elements ${JSON.stringify(each).slice(0, 600)}`)
        )
      return one.flatMap((each, i) => compared(each, other[i], path))
    }
    if (theirs instanceof Uint8Array && mine instanceof Uint8Array) {
      const texts = [theirs, mine].map(bytes => Buffer.from(bytes).toString('hex'))
      return texts[0] === texts[1] ? [] : excused(path, texts)
    }
    if (isObject(theirs) && isObject(mine))
      return [...new Set([...Object.keys(theirs), ...Object.keys(mine)])].flatMap(key => compared(theirs[key], mine[key], `${path}.${key}`))
    const texts = [told(theirs, field, theirSide), told(mine, field, ourSide)]
    return texts[0] === texts[1] ? [] : excused(path, texts)
  }
}

function excused(path: string, [theirs, ours]: readonly string[]): string[] {
  const told = `${theirs}, ${ours}`
  return exceptions.some(exception => exception.path.test(path) && (exception.values?.test(told) ?? true)) ? [] : [`${path}: ${told}`]
}

/** A value as text: ids that each side makes for itself by what they stand for. */
function told(value: unknown, field: string, side: Side): string {
  if (field === 'sessionId') return value === 0 ? 'none' : 'a session'
  if (typeof value === 'string') return generated(side.nameOf(value))
  return Object.is(value, -0) ? '0' : (JSON.stringify(value) ?? 'undefined')
}

/** A member id that a broker made holds the client id or the instance, and chance. */
function generated(text: string): string {
  return text.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'a uuid').replace(/-[A-Za-z0-9_-]{22}$/, '-a uuid')
}

/**
 * The partitions of a topic may be answered in one entry or in several, and a topic without partitions with an empty entry
 * or with none: clients look for the partitions that they asked for.
 */
function merged(elements: readonly unknown[]): readonly unknown[] {
  const entries = new Map<string, Record<string, unknown>>()
  for (const element of elements) {
    if (!isObject(element) || 'errorCode' in element) return elements
    const list = partitionLists.find(name => Array.isArray(element[name]))
    if (!list) return elements
    const partitions = element[list] as unknown[]
    if (partitions.length === 0) continue
    const key = JSON.stringify({ ...element, [list]: undefined })
    const before = (entries.get(key)?.[list] as unknown[] | undefined) ?? []
    entries.set(key, { ...element, [list]: [...before, ...partitions] })
  }
  return [...entries.values()]
}

const partitionLists = ['partitions', 'partitionResponses', 'partitionResult']

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Kafka gives topics, partitions, groups and configs in the order of its hash tables. */
function inOrder(elements: readonly unknown[], side: Side): unknown[] {
  const key = (element: unknown): string => {
    if (!isObject(element)) return String(element).padStart(12, '0')
    return Object.entries(element)
      .filter(([name, value]) => typeof value !== 'object' && !incomparable.test(name))
      .map(([name, value]) => told(value, name, side))
      .join(' ')
  }
  const place = (element: unknown): string => {
    if (!isObject(element)) return ''
    const {
      name,
      topic,
      topicName,
      topicId,
      groupId,
      key,
      user,
      resourceName,
      partitionIndex,
      partition,
      partitionId,
      index,
      resourceType
    } = element
    const names = name ?? topic ?? topicName ?? groupId ?? key ?? user ?? resourceName ?? ''
    return `${names} ${typeof topicId === 'string' ? side.nameOf(topicId) : ''} ${partitionIndex ?? partition ?? partitionId ?? index ?? resourceType ?? ''} `
  }
  const all = elements.map(element => ({ element, key: place(element) + key(element) }))
  return all.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ element }) => element)
}
