// Serves the built pages with the server's own examples as answers, under the policy the
// real server sends. `answers` replaces some: { "GET /api/v1/tenants": [403, {...}] }; instead of a
// status "never" does not answer, "away" hangs up, and a function is told how often it was asked.
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";

const pages = resolve(import.meta.dirname, "../../../internal/console/pages/dist");
const examples = resolve(import.meta.dirname, "../../../internal/console/wire/testdata");
export const example = (name) => JSON.parse(readFileSync(join(examples, name + ".json"), "utf8"));
const routes = example("routes");
const kinds = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** answerOf finds the example for a request, the nth of its kind. */
function answerOf(method, path, answers, nth) {
  // The example of rights forbids some; a screen says so where it is about that.
  const own = answers[`${method} ${path}`] ?? (path.endsWith("/rights") ? [200, { rights: [] }] : undefined);
  if (own) return typeof own === "function" ? own(nth) : own;
  const found = (routes.routes ?? routes).find(({ pattern }) => {
    const [verb, place] = pattern.split(" ");
    return verb === method && new RegExp("^" + place.replace(/\{\w+\}/g, "[^/]+") + "$").test(path);
  });
  if (!found?.gives || found.gives.includes("/")) return [404, { error: `${path} is not here` }];
  return [200, example(found.gives)];
}

export async function serve(answers) {
  const streams = new Set();
  const asked = new Map();
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://x").pathname;
    response.setHeader("Content-Security-Policy", policy);
    if (path === "/api/v1/events" && !answers["GET /api/v1/events"]) {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(": hello\n\n");
      streams.add(response);
      return;
    }
    if (path.startsWith("/api/")) {
      const what = `${request.method} ${path}`;
      asked.set(what, (asked.get(what) ?? 0) + 1);
      const [status, body] = answerOf(request.method, path, answers, asked.get(what));
      if (status === "never") return;
      if (status === "away") return void request.socket.destroy();
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(body));
      return;
    }
    const file = existsSync(join(pages, path)) && extname(path) ? path : "/index.html";
    response.writeHead(200, { "Content-Type": kinds[extname(file)] });
    response.end(readFileSync(join(pages, file)));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const close = () => {
    for (const stream of streams) stream.end();
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
