import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a running `tidegate up`. */
const backend = process.env.TIDEGATE_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  build: {
    target: "es2022",
    // The page runs under `script-src 'self'`: the preload helper would be an inline script.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
  server: {
    proxy: {
      "/api": backend,
      "/connection": { target: backend, ws: true },
    },
  },
  test: { include: ["src/**/*.test.ts", "test/**/*.test.ts"] },
});
