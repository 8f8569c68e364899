/** The events of groups. */
export type GroupEvent =
  /** A member was added; it takes part from the next generation on. */
  | {
      readonly type: 'memberJoined'
      readonly groupId: string
      readonly memberId: string
      readonly groupInstanceId: string | null
      readonly reason: string
    }
  /** A member is gone: it left, its session ran out, or it did not come back in time. */
  | {
      readonly type: 'memberLeft'
      readonly groupId: string
      readonly memberId: string
      readonly groupInstanceId: string | null
      readonly reason: string
    }
  /** Everyone is called to join again. */
  | { readonly type: 'rebalancing'; readonly groupId: string; readonly generationId: number; readonly reason: string }
  /** The leader has assigned the partitions of a new generation. */
  | { readonly type: 'rebalanced'; readonly groupId: string; readonly generationId: number; readonly memberIds: readonly string[] }
  /** The last member is gone. */
  | { readonly type: 'empty'; readonly groupId: string; readonly generationId: number }
  /** The group is gone, with its offsets. */
  | { readonly type: 'dead'; readonly groupId: string; readonly reason: string }
  /**
   * The offsets that a group has committed for these topics expire at this time (ms since 1970),
   * unless somebody uses the group before.
   */
  | { readonly type: 'offsetsExpiring'; readonly groupId: string; readonly topics: readonly string[]; readonly at: number }
