import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url))

export default defineConfig(({ mode }) => ({
  oxc: { target: 'es2022' },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/bench/**', 'test/matrix/**', '**/node_modules/**'],
    testTimeout: 30_000,
    // Compiled modules are kept between runs, by their content: a run of few files takes half the time.
    experimental: { fsModuleCache: true },
    // `npm run poison`: what is given back is overwritten at once, and numbers of closed descriptors go to other files.
    setupFiles: mode === 'poison' ? ['test/poison.ts'] : [],
    // The default leaves one core to the runner, which does little while the tests run.
    maxWorkers: availableParallelism(),
    // Type tests: compiled, never run. Only their own errors count here; the rest is for `npm run typecheck`.
    typecheck: {
      enabled: mode !== 'poison',
      include: ['test/types/*.test-d.ts'],
      tsconfig: 'test/types/tsconfig.json',
      ignoreSourceErrors: true
    }
  },
  resolve: {
    alias: [
      { find: /^millrace$/, replacement: source('index.ts') },
      { find: /^millrace\/file$/, replacement: source('storage/file/index.ts') },
      { find: /^millrace\/(\w+)$/, replacement: source('$1/index.ts') }
    ]
  }
}))
