import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { MutationObserver, QueryClient } from "@tanstack/react-query";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Refusal, backgroundHeader, byPage, byPerson, call } from "../src/api/client";
import { forget, keepApart } from "../src/session/apart";
import { doing, outlook } from "../src/session/ends";
import type { Session } from "../src/api/types";

const noon = Date.parse("2026-11-25T12:00:00Z");
const at = (seconds: number) => new Date(noon + seconds * 1000).toISOString();
const jane: Session = { user: "jane", groups: [], cluster: "", now: at(0), ends: at(8 * 3600), idleEnds: at(1800) };
const joe: Session = { ...jane, user: "joe", ends: at(8 * 3600 + 5) };

afterEach(() => vi.unstubAllGlobals());

describe("who causes a request", () => {
  const asked = async (...what: Parameters<typeof call>) => {
    const fetched = vi.fn(async (_path: string, _init: RequestInit) => new Response("{}"));
    vi.stubGlobal("fetch", fetched);
    await call(...what);
    return (fetched.mock.calls[0]![1].headers as Record<string, string>)[backgroundHeader];
  };
  it("is the page for what it reads, unless a person is named", async () => {
    expect(await asked("GET", "/api/v1/tenants")).toBe("1");
    expect(await asked("GET", "/api/v1/session", undefined, byPerson)).toBeUndefined();
  });
  it("is the person for what changes something, but for a preview", async () => {
    expect(await asked("POST", "/api/v1/tenants", {})).toBeUndefined();
    expect(await asked("POST", "/api/v1/tenants", { dryRun: true }, byPage)).toBe("1");
  });
  it("is told by the header the server looks for", () => {
    const wire = readFileSync(resolve(import.meta.dirname, "../../internal/console/wire/wire.go"), "utf8");
    expect(/BackgroundHeader = "([^"]+)"/.exec(wire)?.[1]).toBe(backgroundHeader);
  });
});

describe("the session's end", () => {
  it("is the nearer of two, by the server's clock", () => {
    expect(outlook(jane, 0)).toEqual({ left: 1_800_000, idle: true });
    expect(outlook(jane, 1_790_000)).toEqual({ left: 10_000, idle: true });
    expect(outlook({ ...jane, ends: at(600) }, 60_000)).toEqual({ left: 540_000, idle: false });
    expect(outlook(jane, 9e9).left).toBe(0);
  });
  it("is put off by a person's doing, once a minute at most", () => {
    let now = 0;
    const tell = vi.fn();
    const hear = doing(tell, () => now);
    hear({ isTrusted: false }); // a script's
    hear({ isTrusted: true, repeat: true }); // something lies on the keyboard
    expect(tell).toHaveBeenCalledTimes(0);
    for (now of [0, 1, 59_999]) hear({ isTrusted: true });
    expect(tell).toHaveBeenCalledTimes(1);
    now = 60_000;
    hear({ isTrusted: true });
    expect(tell).toHaveBeenCalledTimes(2);
  });
});

describe("what one person was answered", () => {
  const filled = () => {
    const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
    queries.setQueryData(["tenants"], "the last one's tenants");
    queries.setQueryData(["secret", "acme"], "who saw it");
    return queries;
  };
  const left = (queries: QueryClient) => queries.getQueryCache().getAll().map((query) => query.queryKey[0]).sort();
  const over = () => Promise.reject(new Refusal(401, { error: "you are not signed in" }));

  it("is forgotten, but not who is there", async () => {
    const queries = filled();
    queries.setQueryData(["session"], jane);
    queries.setQueryData(["about"], {});
    await new MutationObserver(queries, { mutationFn: async () => "a secret" }).mutate();
    forget(queries);
    expect(left(queries)).toEqual(["about", "session"]);
    expect(queries.getMutationCache().getAll()).toEqual([]);
  });
  it("is forgotten when the server says that the session is over", async () => {
    const queries = filled();
    const stop = keepApart(queries);
    await queries.fetchQuery({ queryKey: ["session"], queryFn: over }).catch(() => undefined);
    expect(left(queries)).toEqual(["session"]);
    stop();
  });
  it("is forgotten when somebody else has signed in, and kept while it is the same visit", () => {
    const queries = filled();
    const stop = keepApart(queries);
    queries.setQueryData(["session"], jane);
    queries.setQueryData(["session"], { ...jane, idleEnds: at(3600) });
    expect(left(queries)).toContain("tenants");
    queries.setQueryData(["session"], joe);
    expect(left(queries)).toEqual(["session"]);
    stop();
  });
  it("a 401 of anything asks the door", async () => {
    const queries = filled();
    const stop = keepApart(queries);
    queries.setQueryData(["session"], jane);
    await queries.fetchQuery({ queryKey: ["agents", "acme"], queryFn: over }).catch(() => undefined);
    expect(queries.getQueryState(["session"])?.isInvalidated).toBe(true);
    queries.setQueryData(["session"], jane);
    await new MutationObserver(queries, { mutationFn: over }).mutate().catch(() => undefined);
    expect(queries.getQueryState(["session"])?.isInvalidated).toBe(true);
    stop();
  });
});
