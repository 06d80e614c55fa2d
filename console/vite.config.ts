import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The API of a running `soctalk-ingress console serve`, while the pages are worked on.
const server = process.env.CONSOLE ?? "http://127.0.0.1:8090";

export default defineConfig({
  plugins: [react()],
  build: {
    // Go embeds this folder; see internal/console/pages.
    outDir: "../internal/console/pages/dist",
    emptyOutDir: false, // build/clean.mjs does, but for .gitignore
    // A file as data: would be one more thing the Content-Security-Policy has to allow.
    assetsInlineLimit: 0,
    // The polyfill would be an inline script, which the policy refuses.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { "/api": server, "/auth": server } },
});
