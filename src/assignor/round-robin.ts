import { type Assignor, compareMembers, expectAssignArguments, subscribedTopics, type TopicPartition } from './assignor.js'

/**
 * Deals out all partitions of all topics, one after the other, to the members in turn; a member
 * that does not subscribe to the topic is passed over. Java's `RoundRobinAssignor`.
 */
export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  cooperative: false,
  assign(topics, members) {
    expectAssignArguments(topics, members)
    const assignment = new Map<string, TopicPartition[]>()
    for (const member of members) assignment.set(member.memberId, [])
    const circle = [...members].sort(compareMembers).map(member => ({ memberId: member.memberId, topics: new Set(member.topics) }))
    let turn = 0
    for (const [topic, { partitionCount }] of subscribedTopics(topics, members)) {
      for (let partition = 0; partition < partitionCount; partition++) {
        while (!circle[turn].topics.has(topic)) turn = (turn + 1) % circle.length
        assignment.get(circle[turn].memberId)!.push({ topic, partition })
        turn = (turn + 1) % circle.length
      }
    }
    return assignment
  }
}
