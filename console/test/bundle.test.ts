// What is given away: the built pages, and what they are built with.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const pages = resolve(root, "../internal/console/pages/dist");
const read = (name: string) => readFileSync(join(pages, name), "utf8");
const named = (ending: string) => readdirSync(pages, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(ending));

beforeAll(() => {
  if (!existsSync(join(pages, "index.html"))) throw new Error("the pages are not built: make console");
});

it("has no source maps", () => {
  expect(named(".map")).toEqual([]);
  for (const name of [...named(".js"), ...named(".css")]) expect(read(name)).not.toContain("sourceMappingURL=");
});

it("has nothing inline and nothing of others in its first page", () => {
  const page = read("index.html");
  expect(page).not.toMatch(/<style|style=|\son\w+=|https?:|<script>/);
  const sources = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]!);
  expect(sources.length).toBeGreaterThan(3);
  for (const source of sources) expect(existsSync(join(pages, source)), source).toBe(true);
});

it("fetches no style, picture or font from others", () => {
  for (const name of named(".css")) {
    const asked = [...read(name).matchAll(/url\(\s*["']?([^"')]+)/g)].map((match) => match[1]!);
    expect(asked.length).toBeGreaterThan(3);
    for (const url of asked) expect(url).toMatch(/^(\/assets\/|data:image\/|#)/);
  }
});

it("names the licence of everything in it", () => {
  const told = read("licenses.txt");
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, { version: string; dev?: boolean; optional?: boolean }> };
  const shipped = Object.entries(lock.packages).filter(([path, { dev, optional }]) => path !== "" && !dev && !optional);
  expect(shipped.length).toBeGreaterThan(10);
  for (const [path, { version }] of shipped) expect(told).toContain(`${path.replace(/^.*node_modules\//, "")} ${version}\n`);
  expect(told).toContain("SIL OPEN FONT LICENSE Version 1.1");
  expect(told).toContain("react-popper, in @patternfly/react-core");
});

it("is built with exactly what is pinned", () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, Record<string, string>>;
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, { integrity?: string }> };
  expect(Object.entries(packages).filter(([path, { integrity }]) => path !== "" && !integrity?.startsWith("sha512-"))).toEqual([]);
});
