import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, not threads: onnxruntime keeps state per process, and a crash takes one file down only.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // TensorFlow.js's gradients come as modules whose imports have no extensions, which Node does not load.
    server: { deps: { inline: [/@tensorflow\/tfjs-core/] } },
    // Tests that load onnxruntime by themselves send nothing either.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    globalSetup: ['test/global-setup.ts'],
  },
});
