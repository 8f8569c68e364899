import { expect, it } from 'vitest'
import { decodeSubscription, encodeSubscription } from '../../src/assignor/consumer-protocol.js'
import { cooperativeStickyAssignor } from '../../src/assignor/cooperative-sticky.js'
import { rangeAssignor } from '../../src/assignor/range.js'
import { roundRobinAssignor } from '../../src/assignor/round-robin.js'
import { stickyAssignor } from '../../src/assignor/sticky.js'

/**
 * What the assignors of Kafka 4.3's Java client answered to random groups, by running them. A line is
 *     assignor | topic:partitions[racks of each] … | member/instance@rack topics generation partitions held | … | member=partitions;…
 */
const answers = `
sticky | a:4 b:2 c:8 d:1 | m0 abcd 0 c0 c1 c2 c3 c4 c5 c6 c7 | m1 ad 0 a0 a1 a2 d0 | m2 abd 0 b0 b1 a3 | m3 d | m4 abc | m0=c4 c5 c6 c7;m1=a0 a1 a2;m2=a3 b0 b1;m3=d0;m4=c0 c1 c2 c3
sticky | a:4 b:4 d:5 | m0 abcd 1 c4 c5 c6 c7 | m1 ad 1 a0 a1 a2 | m2 abd 0 a3 b0 b1 | m3 d 1 d0 | m4 abc 1 c0 c1 c2 c3 | m0=d1 d3;m1=a0 a1 a2;m2=a3 b0 b1;m3=d0 d2 d4;m4=b3 b2
sticky | a:7 b:8 c:5 | m0 c | m1 abcd 2 b1 b3 b6 d3 d5 | m2 c 1 a1 a4 a3 a0 | m0=c0 c2 c4;m1=b1 b3 b6 a0 a1 a2 a3 a4 a5 a6 b0 b2 b4 b5 b7;m2=c1 c3
sticky | a:2 b:4 c:6 d:7 | m0 bd 0 b0 b2 | m1 c 0 c0 c3 | m2/i502 ad 0 a0 d0 | m3 ab 0 a1 b3 | m4 c 0 c1 | m5 bcd 0 b1 | m6 ac 0 c2 | m0=b0 b2 d2 d5;m1=c0 c3;m2=d0 d3 d6;m3=a1 b3 a0;m4=c1 c4;m5=b1 d1 d4;m6=c2 c5
sticky | b:4 d:3 | m0 bd 0 b0 d1 | m1 bd 0 b1 d2 | m2 bd 0 b2 | m3 bd 0 b3 | m4/i134 bd 0 d0 | m0=b0 d1;m1=b1 d2;m2=b2;m3=b3;m4=d0
sticky | a:6 d:3 | m0 ad 0 a0 a2 a4 d0 d2 | m1 ad 0 a1 a3 a5 d1 | m2 ad | m0=a0 d0 a2;m1=a1 d1 a3;m2=a4 a5 d2
sticky | c:5 d:4 | m0 abcd 0 a0 b0 b4 c0 c4 | m1/i01 abcd 0 a1 b1 b5 c1 d0 | m2 abcd 0 a2 b2 b6 c2 | m3 abcd 0 a3 b3 b7 c3 | m0=c0 c4 d3;m1=d0 c1;m2=c2 d1;m3=c3 d2
sticky | a:1 b:6 c:8 | m0 abc 0 a0 b3 c1 c5 | m2 abc 0 b1 b5 c3 c7 | m3 abc | m0=a0 c1 b3 c5 b0;m2=b1 c3 b5 c7 b2;m3=b4 c0 c2 c4 c6
roundrobin | a:2 | m0/i430 a | m1 a | m2 a | m3 a | m0=a0;m1=a1;m2=;m3=
roundrobin | a:4 | m0/i430 a 0 a0 | m1 a | m2 a 0  | m0=a0 a3;m1=a1;m2=a2
sticky | c:6[xy,z,y,xyz,xyz,xyz] d:4[xz,xy,x,xyz] | m1 abd 0 b0 b1 b2 b3 b4 b5 | m0@y ac 0 a0 a1 a2 c0 a3 a4 | m2@z ab | m0=c0 c2 c3 c4 c5 c1;m1=d0 d1 d2 d3;m2=
sticky | c:5[xy,y,y,x,y] | m0/i130@z ad 1 c0 c2 c1 | m1@z ab 1 a2 b1 b3 a3 | m3@z ac 1 a1 a5 a0 | m0=;m1=;m3=c0 c1 c2 c3 c4
sticky | a:3[x,xyz,yz] c:2[x,xyz] d:4[yz,yz,y,y] | m0@y acd 0 a1 a2 d2 a0 | m1@x c 0 c0 c1 | m2 cd 0 d0 d1 d3 | m3@x b | m4@x abcd | m5@y abc | m0=a2 d2;m1=c0 c1;m2=d1 d3;m3=;m4=a0 d0;m5=a1
sticky | a:1[xyz] b:7[xyz,yz,x,y,z,xyz,y] d:6[xy,yz,yz,xyz,y,xz] | m0@z bd | m1@z abd 0 b0 b1 b4 b5 b2 b3 b6 | m2@x acd 0 a0 d0 d3 d5 d4 d1 d2 | m0=d1 d2 b2 b3 b6;m1=b0 b1 b4 b5 d4;m2=a0 d0 d3 d5
cooperative-sticky | a:1 b:5 c:4 d:3 | m0 acd 0 a0 c2 d1 | m1 cd 0 c0 c3 d2 | m2 abd 0 c1 d0 | m3 bcd | m0=a0 c2 d1;m1=c0 c3 d2;m2=d0 b1 b3;m3=b0 b2 b4
cooperative-sticky | a:3 b:6 d:3 | m1 cd 1 c0 c3 d2 | m2 abd 0 d0 b1 b3 | m3 bcd 1 b0 b2 b4 | m0 ad 0 a0 c2 d1 | m0=a0 a1 a2;m1=d2;m2=b1 b3 b5;m3=b0 b2 b4
cooperative-sticky | b:8 c:4 d:4 | m0 abd 0 d0 d2 b4 b7 a2 a6 | m1 abc 0 b0 b2 b5 c2 a3 a7 | m2 abc 0 b1 b3 b6 a0 a4 | m3 acd 0 d1 c0 c1 a1 a5 | m0=b4 b7 d0 d2;m1=b0 b2 b5 c2;m2=b1 b3 b6 c3;m3=c0 c1 d1 d3
cooperative-sticky | a:6 b:7 c:2 d:2 | m0 d 0 a0 a3 b0 b3 b6 | m1 cd 0  | m2 ab 0 a1 a4 b1 b4 | m3 acd 0  | m4 abcd 0 a2 a5 b2 b5 | m5 cd | m6 abcd | m0=d0 d1;m1=c0;m2=a4 b1 b4;m3=;m4=a2 a5 b2 b5;m5=c1;m6=
cooperative-sticky | b:3[z,xy,xy] d:5[yz,z,xy,yz,x] | m0@z abcd 0 b0 | m4@x abcd 0 d4 | m6@y abcd 0 b2 | m7@x abcd 0 d2 | m0=b0 d1;m4=d4 d3;m6=b2 d0;m7=d2 b1
cooperative-sticky | b:4[xz,xy,xyz,z] c:5[x,yz,y,z,xy] | m1@x bc 0 c0 b0 | m2@y bc 0 c2 c4 | m3@y bc 0 b1 | m5/i825@z bc 0 b3 c3 | m0@x bc 0 c1 | m0=b2;m1=b0 c0;m2=c2 c4;m3=b1;m5=b3 c3
cooperative-sticky | b:4[xz,xy,xyz,z] c:5[x,yz,y,z,xy] | m1@x bc 1 b0 c0 | m2@y bc 0 c2 c4 | m3@y bc 1 b1 | m5/i825@z bc 0 b3 c3 | m0@x bc 1 b2 | m0=b2;m1=b0 c0;m2=c2 c4;m3=b1 c1;m5=b3 c3
cooperative-sticky | b:4[xz,xy,xyz,z] c:5[x,yz,y,z,xy] | m1@x bc 2 b0 c0 | m3@y bc 2 b1 c1 | m5/i825@z bc 2 b3 c3 | m0@x bc 2 b2 | m2@x bc 2 c2 c4 | m4 bc | m0=b2;m1=b0 c0;m2=c4;m3=b1 c1;m4=;m5=b3 c3
sticky | b:2[x,z] c:7[xyz,yz,yz,xy,xz,xyz,yz] | m0@y bcd 0 c1 c2 | m1@x bcd 0 b0 c5 | m2@x bcd 0 c4 b1 | m3@x bcd | m4 bcd 0 c3 | m5@x bcd | m0=c1 c2;m1=b0 c5;m2=c4 c6;m3=c0;m4=c3;m5=b1
sticky | b:7[z,xy,yz,z,xyz,y,yz] c:4[yz,xyz,xz,x] d:5[xz,xy,z,xz,z] | m0@z bcd 0 b0 b4 d0 b1 b5 d3 | m1@z bcd 0 b3 b6 d2 b2 d1 d4 | m2@x bcd | m3@z bcd | m0=b0 d0 d3 b4;m1=b2 d2 b3 d4;m2=b1 c3 d1 c1;m3=b6 c0 c2 b5
sticky | b:7[z,xy,yz,z,xyz,y,yz] c:4[yz,xyz,xz,x] d:5[xz,xy,z,xz,z] | m1@z bcd 1 b2 d2 b3 d4 | m2@x bcd 0 b1 c3 d1 c1 | m0@z bcd 1 b0 d0 d3 b4 | m3 bcd 1 b6 c0 c2 b5 | m0=b0 d0 d3 b4;m1=b2 d2 b3 d4;m2=b1 c1 d1 c3;m3=c0 c2 b5 b6
sticky | b:7[xz,xyz,xy,xyz,xyz,xyz,xyz] c:4[y,xy,xz,xy] | m1@z bcd 2 b2 d2 b3 d4 | m2@x bcd 2 b1 c1 d1 c3 | m0@z bcd 2 b0 d0 d3 b4 | m3 bcd 2 c0 c2 b5 b6 | m0=b0 b4 b2;m1=b3 b6;m2=b1 c1 c3;m3=c0 c2 b5
roundrobin | a:6[xy,y,xyz,xy,xyz,xyz] c:4[xz,y,x,xz] | m0@y ab | m1@y b | m2@x bd | m3@z abcd | m4/i44@x abc | m5@x bc | m0=a1 a4;m1=;m2=;m3=a2 a5 c2;m4=a0 a3 c1;m5=c0 c3
roundrobin | a:6[xy,y,xyz,xy,xyz,xyz] c:4[xz,y,x,xz] | m0@y bc | m1@y b 0  | m3@z abcd 0 a2 a5 c2 | m4/i44@x abc 0 a0 a3 c1 | m5@x bc | m0=c2;m1=;m3=a1 a3 a5 c3;m4=a0 a2 a4 c1;m5=c0
cooperative-sticky | b:7 c:2 | m0 bcd 0 b0 b3 b6 | m1 bcd 0 b1 b4 c0 | m2 bcd 0 b2 b5 c1 | m0=b0 b3 b6;m1=c0 b1 b4;m2=c1 b2 b5
cooperative-sticky | a:8 b:5 d:5 | m1 abd | m2/i522 abd | m3 abd 0 a3 a7 b3 d2 | m0 abd 0 a0 a4 b0 b4 d3 | m4/i621 abd | m0=a0 b0 d3 a4;m1=a1 a6 d4;m2=a2 b1 d0;m3=d2 a3 b3 a7;m4=a5 b2 d1
cooperative-sticky | c:3 d:2 | m0/i180 cd 0 c0 | m1 cd | m2 cd 0 c2 | m3 cd 0 d0 | m4/i694 cd 0 d1 | m5 cd 0  | m0=c0;m1=c1;m2=c2;m3=d0;m4=d1;m5=
roundrobin | a:2[yz,yz] b:6[xz,x,y,x,x,y] d:3[xyz,x,xy] | m0@x abcd | m1@y abcd | m2 abcd | m3 abcd | m4 abcd | m0=a0 b3 d2;m1=a1 b4;m2=b0 b5;m3=b1 d0;m4=b2 d1
roundrobin | b:5[z,xyz,x,x,yz] c:7[y,yz,z,xyz,xyz,xyz,x] d:5[xz,xy,xz,y,z] | m0@z bcd | m1@y bcd | m2@y bcd | m3@y bcd | m4/i364@y bcd | m0=b1 c1 c6 d4;m1=b2 c2 d0;m2=b3 c3 d1;m3=b4 c4 d2;m4=b0 c0 c5 d3
range | a:6 b:3 c:5 d:7 | m0/i90 d | m1 ac | m2 ad | m3 bd | m4/i744 ab | m5 a | m0=d0 d1 d2;m1=a2 a3 c0 c1 c2 c3 c4;m2=a4 d3 d4;m3=b2 d5 d6;m4=a0 a1 b0 b1;m5=a5
range | a:8 b:8 c:7 d:5 | m0 abd 0 a0 a1 a2 a3 a4 a5 a6 a7 b0 b1 b2 b3 b4 b5 b6 b7 d0 d1 | m1/i290 bcd | m2 abd | m0=a0 a1 a2 a3 b3 b4 b5 d2 d3;m1=b0 b1 b2 c0 c1 c2 c3 c4 c5 c6 d0 d1;m2=a4 a5 a6 a7 b6 b7 d4
cooperative-sticky | a:4[xy,y,xz,xyz] c:8[xz,y,xz,xyz,xz,xyz,xz,xyz] | m0@z abc 0 c0 c4 c7 c1 | m1@x abc 0 c2 c5 a2 | m2/i862@x cd 0 c3 c6 a3 | m3 ad 0 a0 a1 | m4@z abcd 0  | m0=c0 c4 c7;m1=a2 c2 c5;m2=c3 c6;m3=a0 a1;m4=
cooperative-sticky | a:1[z] b:6[x,xy,xy,y,xz,z] c:1[xy] d:3[y,yz,xy] | m0/i580@x ad 0 d2 d0 | m1@z ad 0 a0 d1 | m2@y abcd 0 b1 b2 c0 | m3 abcd 0 b0 b3 b4 b5 | m0=d2 d0;m1=a0 d1;m2=b1 b2 c0;m3=b0 b3 b4 b5
cooperative-sticky | a:1[z] b:6[x,xy,xy,y,xz,z] c:1[xy] d:3[y,yz,xy] | m2@y abcd 1 b1 b2 c0 | m0 d 1 d2 d0 | m1@x abcd 1 a0 d1 | m0=d0 d2;m1=b0 b4 a0 b5;m2=b1 b2 c0 b3
cooperative-sticky | b:5[yz,z,xz,x,z] c:6[xy,z,xy,yz,xy,yz] d:4[x,xz,y,xz] | m0@y ab 0 b1 a1 b0 | m1@z bcd 0 b2 c3 c4 | m3@x acd 0 a0 a2 | m4@z a 0 a3 a4 | m0=b0 b3 b1;m1=c3 b4 c1 c5 d2;m3=c0 c2 d0 d1 d3;m4=
range | a:2 c:7 d:7 | m0 acd | m1 acd | m2 acd | m3 acd | m4 acd | m5 acd | m6 acd | m7 acd | m0=a0 c0 d0;m1=a1 c1 d1;m2=c2 d2;m3=c3 d3;m4=c4 d4;m5=c5 d5;m6=c6 d6;m7=
range | a:2 c:7 d:7 | m0 acd | m1 acd 1 c2 d2 | m2 acd 1 c3 d3 | m3 acd 1 c4 d4 | m4 acd 1 c5 d5 | m5 acd 0 c6 d6 | m7 acd | m6 acd 1  | m8/i811 acd | m0=a1 c1 d1;m1=c2 d2;m2=c3 d3;m3=c4 d4;m4=c5 d5;m5=c6 d6;m6=;m7=;m8=a0 c0 d0
roundrobin | a:6 b:6 c:4 d:2 | m0 ac | m1/i151 d | m2 acd | m3 bcd | m4 bcd | m5 acd | m0=a0 a3 c1;m1=;m2=a1 a4 c2;m3=b0 b2 b4 c3;m4=b1 b3 b5 d0;m5=a2 a5 c0 d1
roundrobin | a:7 b:3 c:6 d:1 | m0 cd | m1 bd | m2 b | m3/i173 bcd | m4 acd | m5 ab | m6/i46 c | m7 bcd | m8 abd | m0=c2 d0;m1=;m2=;m3=c0 c5;m4=a0 a3 a6 c3;m5=a1 a4 b0;m6=c1;m7=b1 c4;m8=a2 a5 b2
range | b:2[xyz,xy] c:8[y,y,z,xy,y,xy,xy,xy] | m0/i280@z bc | m1@z bc | m2@x bc | m3@y bc | m4@x bc | m5@z bc | m0=b0 c2;m1=c4;m2=b1 c3 c5;m3=c0 c1;m4=c6;m5=c7
range | b:2[xyz,xy] c:8[y,y,z,xy,y,xy,xy,xy] | m0/i280@z bc | m1@z bc 0 c4 | m2@x bc 0 b1 c3 c5 | m3@y bc | m4@x bc 0 c6 | m5@z bc 0 c7 | m0=b0 c2;m1=c4;m2=b1 c3 c5;m3=c0 c1;m4=c6;m5=c7
range | a:7[yz,x,xy,x,x,y,xyz] b:6[xy,xy,yz,xyz,yz,xz] d:7[xz,x,x,x,xz,yz,yz] | m0/i410@z abc | m1@z abc | m2@x b | m3@z ad | m4@x b | m5@z abc | m0=a0 a6 b2 b3;m1=a1 a2 b4;m2=b0;m3=a3 a4 d0 d1 d2 d3 d4 d5 d6;m4=b1;m5=a5 b5
range | a:7[xyz,z,x,xz,xy,xy,y] b:8[x,y,x,z,y,xz,yz,xy] c:4[xy,z,xyz,xyz] d:3[xyz,x,xz] | m0/i520 abcd | m1 ad | m2@x d | m3@y ad | m4@x d | m0=a0 a1 a2 b0 b1 b2 b3 b4 b5 b6 b7 c0 c1 c2 c3 d0;m1=a3 a4 d1;m2=d2;m3=a5 a6;m4=
`

const assignors = [rangeAssignor, roundRobinAssignor, stickyAssignor, cooperativeStickyAssignor]
const partitionsOf = (texts: readonly string[]) => texts.map(text => ({ topic: text[0], partition: Number(text.slice(1)) }))

it.each(answers.trim().split('\n'))('Java answers %s', line => {
  const [name, topicTexts, ...rest] = line.split(' | ')
  const expected = rest.pop()
  const assignor = assignors.find(it => it.name === name)!
  const topics = topicTexts.split(' ').map(text => {
    const [, topic, count, racks] = /^(.):(\d+)(?:\[(.*)\])?$/.exec(text)!
    return [
      topic,
      { partitionCount: Number(count), ...(racks !== undefined && { racks: racks.split(',').map(each => [...each]) }) }
    ] as const
  })
  const members = rest.map(text => {
    const [who, subscribed, generation = '-1', ...held] = text.split(' ')
    const [, memberId, groupInstanceId = null, rackId = null] = /^(m\d)(?:\/(\w+))?(?:@(\w))?$/.exec(who)!
    const generationId = Number(generation)
    const partitions = partitionsOf(held.filter(each => each !== ''))
    const userData = assignor.userData?.(generationId < 0 ? null : partitions, generationId) ?? null
    const ownedPartitions = assignor.cooperative ? partitions : []
    const subscription = encodeSubscription({ topics: [...subscribed], userData, ownedPartitions, generationId, rackId })
    return { ...decodeSubscription(subscription), memberId, groupInstanceId }
  })
  const assignment = [...assignor.assign(new Map(topics), members)].sort(([a], [b]) => (a < b ? -1 : 1))
  expect(assignment.map(([id, held]) => `${id}=${held.map(({ topic, partition }) => topic + partition).join(' ')}`).join(';')).toBe(
    expected
  )
})
