import { describe, expect, it } from 'vitest'
import { ByteBudget } from '../../src/wire/byte-budget.js'

describe('a budget of bytes', () => {
  it('lets those who ask for too much wait, in order', () => {
    const budget = new ByteBudget(100)
    const granted: string[] = []
    expect(budget.take(60, () => granted.push('a'))).toBe(true)
    expect(budget.take(50, () => granted.push('b'))).toBe(false)
    expect(budget.take(10, () => granted.push('c'))).toBe(false)
    expect(granted).toEqual([])
    budget.give(60)
    expect(granted).toEqual(['b', 'c'])
    expect(budget.taken).toBe(60)
  })

  it('gives more than there is to one who is alone', () => {
    const budget = new ByteBudget(100)
    expect(budget.take(500, () => {})).toBe(true)
    expect(budget.take(1, () => {})).toBe(false)
  })

  it('can be overdrawn by what is there already, and then gives nothing', () => {
    const budget = new ByteBudget(100)
    const granted: string[] = []
    budget.add(150)
    expect(budget.take(0, () => granted.push('room'))).toBe(false)
    budget.give(51)
    expect(granted).toEqual(['room'])
  })

  it('forgets who no longer wants any, and serves those behind', () => {
    const budget = new ByteBudget(100)
    const granted: string[] = []
    const large = () => granted.push('large')
    budget.take(50, () => {})
    budget.take(80, large)
    budget.take(50, () => granted.push('small'))
    expect(budget.withdraw(large)).toBe(true)
    expect(granted).toEqual(['small'])
    expect(budget.withdraw(large)).toBe(false)
  })

  it('lets one of those who hold a part go beyond the limit, so that they never wait for each other', () => {
    const budget = new ByteBudget(100)
    const granted: string[] = []
    const [first, second] = [{}, {}]
    budget.take(50, () => {})
    budget.take(50, () => {})
    expect(budget.grow(40, first, () => granted.push('first'))).toBe(true)
    expect(budget.grow(40, second, () => granted.push('second'))).toBe(false)
    expect(budget.grow(30, first, () => granted.push('first'))).toBe(true)
    expect(granted).toEqual([])
    budget.give(50 + 40 + 30)
    budget.settled(first)
    expect(granted).toEqual(['second'])
    expect(budget.taken).toBe(90)
  })

  it('gives room to those who need no bytes before those who do', () => {
    const budget = new ByteBudget(100)
    const granted: string[] = []
    budget.add(150)
    budget.take(80, () => granted.push('large'))
    expect(budget.room(() => granted.push('room'))).toBe(false)
    budget.give(60)
    expect(granted).toEqual(['room'])
    expect(budget.room(() => {})).toBe(true)
  })
})
