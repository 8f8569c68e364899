import { zeroUuid } from '../../common/uuid.js'
import { api, array, int16, int32, int64, records, string, struct, uuid } from '../message.js'

/** Produce, API 0 of Kafka's protocol. */
export const Produce = api({
  key: 0,
  name: 'Produce',
  versions: '3-13',
  flexible: '9+',
  request: {
    transactionalId: string({ nullable: '3+', default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string({ versions: '0-12', default: '' }),
      topicId: uuid({ versions: '13+', default: zeroUuid }),
      partitionData: array({
        index: int32(),
        records: records({ nullable: '0+' })
      })
    })
  },
  response: {
    responses: array({
      name: string({ versions: '0-12', default: '' }),
      topicId: uuid({ versions: '13+', default: zeroUuid }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64({ default: -1 }),
        logStartOffset: int64({ versions: '5+', default: -1 }),
        recordErrors: array(
          {
            batchIndex: int32(),
            batchIndexErrorMessage: string({ nullable: '8+', default: null })
          },
          { versions: '8+', default: [] }
        ),
        errorMessage: string({ versions: '8+', nullable: '8+', default: null }),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 })
          },
          { versions: '10+', default: undefined, tag: 0 }
        )
      })
    }),
    throttleTimeMs: int32({ default: 0 }),
    nodeEndpoints: array(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: '10+', default: null })
      },
      { versions: '10+', default: [], tag: 0 }
    )
  }
})
