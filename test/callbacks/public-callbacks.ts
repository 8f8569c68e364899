import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const source = fileURLToPath(new URL('../../src/', import.meta.url))
const indexes = ['index.ts', 'wire/index.ts', 'testing/index.ts', 'storage/file/index.ts']

/** Every function in a public type, read from the sources: some are a user's to write, the others the library's. */
export function functionsInPublicTypes(): string[] {
  const found = new Set<string>()
  for (const index of indexes) {
    for (const statement of parsed(join(source, index)).statements) {
      if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier || !statement.exportClause) continue
      if (!ts.isNamedExports(statement.exportClause)) continue
      const from = (statement.moduleSpecifier as ts.StringLiteral).text.replace(/\.js$/, '.ts')
      const names = new Set(statement.exportClause.elements.map(({ name, propertyName }) => (propertyName ?? name).text))
      for (const declared of parsed(join(source, dirname(index), from)).statements) {
        if (ts.isInterfaceDeclaration(declared) && names.has(declared.name.text))
          for (const member of declared.members) if (isFunction(member)) found.add(`${declared.name.text}.${member.name!.getText()}`)
        if (ts.isTypeAliasDeclaration(declared) && names.has(declared.name.text) && hasFunction(declared.type))
          found.add(`type ${declared.name.text}`)
      }
    }
  }
  return [...found]
}

function parsed(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
}

function isFunction(member: ts.TypeElement): boolean {
  return ts.isMethodSignature(member) || (ts.isPropertySignature(member) && member.type !== undefined && hasFunction(member.type))
}

function hasFunction(node: ts.Node): boolean {
  return ts.isFunctionTypeNode(node) || (ts.forEachChild(node, child => hasFunction(child) || undefined) ?? false)
}

/** Functions in public types that the library writes, and users call. */
export const ofTheLibrary = new Set([
  ...['Timer.cancel', 'RecordIterator.next', 'RecordIterator.return', 'RecordIterator.[Symbol.asyncIterator]'],
  ...['ClientAccess.isGivenUser', 'Rule.remove', 'ConnectionQuotas.connectionDelayMs', 'Hold.held', 'Hold.release', 'ContractCase.run'],
  // What a cluster brings along for its clients, and what they tell each other.
  ...['AdminParts.onClosed', 'ClusterParts.brokersFor', 'ClusterParts.close', 'ConsumerParts.damageAt', 'ProducerParts.heldBecause'],
  ...['ClusterNews.onTopicsChanged', 'ClusterNews.onGroupRebalancing', 'ClusterNews.logEndOffset'],
  ...['PipeParts.newConsumer', 'PipeParts.newProducer', 'PipeParts.onClosed', 'PipeContext.send'],
  ...['TopicNews.names', 'TopicNews.idOf', 'TopicNews.endsOf'],
  ...['Storage.onError', 'Storage.onLost']
])

/** Functions of users that Node calls, or the test runner. */
export const calledByOthers = new Set([
  ...['TlsOptions.checkServerIdentity', 'TlsOptions.SNICallback'],
  ...['StorageUnderTest.open', 'StorageUnderTest.reopen']
])

/** Called as those that are tried are: by the same line of code, or wrapped in the same way. */
export const likeOthers = new Set(['LogOpenOptions.onFailure', 'LogOpenOptions.onRoom', 'LogOpenOptions.onDamage'])
