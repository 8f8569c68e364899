import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

/** A class may be larger where its comment says why, in a paragraph that begins with `Size:`. */
const most = { lines: 500, methods: 25, fields: 15 }

describe('the sizes of what is in src', () => {
  const src = fileURLToPath(new URL('../src', import.meta.url))
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => ({ name, code: readFileSync(join(src, name), 'utf8') }))
  const sizes = files.map(({ code }) => linesOf(code)).sort((a, b) => a - b)
  // A class with 16 fields does not fit a file of 80 lines.
  const classes = files
    .filter(({ code }) => /^(export )?(abstract )?class /m.test(code) && linesOf(code) > 80)
    .flatMap(({ name, code }) => classesIn(code).map(found => ({ file: name, ...found })))

  it('no file has more than 500 lines, nine of ten have fewer than 400, and half of them 110 at most', () => {
    expect(files.filter(({ code }) => linesOf(code) > most.lines).map(({ name }) => name)).toEqual([])
    expect(sizes[Math.floor(sizes.length * 0.9)]).toBeLessThan(400)
    expect(sizes[sizes.length >> 1]).toBeLessThanOrEqual(110)
  })

  it('a class with more than 25 methods or 15 fields says why in its comment', () => {
    expect(classes.filter(found => isLarge(found) && !found.hasReason)).toEqual([])
  })

  it('a class that says why it is large is large', () => {
    expect(classes.filter(found => found.hasReason && !isLarge(found))).toEqual([])
  })
})

describe('the counter that these limits rest on', () => {
  it('counts methods and fields of an object, private ones as well, and no accessors, static members or overloads', () => {
    const [counted] = classesIn(`
      /**
       * One of many.
       *
       * Size: so.
       */
      export class A {
        static made = 0
        readonly #a = 1
        b?: number
        static of() {}
        get d() { return 1 }
        e(x: string): void
        e(x: unknown): void {}
        #f() {}
        g = () => 1
      }`)
    expect(counted).toEqual({ name: 'A', methods: 3, fields: 2, hasReason: true })
  })
})

interface CountedClass {
  readonly name: string
  readonly methods: number
  readonly fields: number
  readonly hasReason: boolean
}

function linesOf(code: string): number {
  return code.split('\n').length - 1
}

function isLarge({ methods, fields }: CountedClass): boolean {
  return methods > most.methods || fields > most.fields
}

function classesIn(code: string): CountedClass[] {
  const file = ts.createSourceFile('file.ts', code, ts.ScriptTarget.Latest)
  return file.statements.filter(ts.isClassDeclaration).map(found => counted(found, code))
}

function counted(found: ts.ClassDeclaration, code: string): CountedClass {
  let methods = 0
  let fields = 0
  for (const member of found.members) {
    if (ts.canHaveModifiers(member) && ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword)) continue
    const isFunction = ts.isPropertyDeclaration(member) && member.initializer !== undefined && ts.isArrowFunction(member.initializer)
    if (isFunction || (ts.isMethodDeclaration(member) && member.body)) methods++
    else if (ts.isPropertyDeclaration(member)) fields++
  }
  const hasReason = /^\s*\* Size: /m.test(code.slice(found.pos, found.members.pos))
  return { name: found.name?.text ?? '', methods, fields, hasReason }
}
