import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url))

export default defineConfig({
  esbuild: { target: 'es2022' },
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000, exclude: ['test/bench/**', '**/node_modules/**'] },
  resolve: {
    alias: [
      { find: /^millrace$/, replacement: source('index.ts') },
      { find: /^millrace\/testing$/, replacement: source('testing/index.ts') }
    ]
  }
})
