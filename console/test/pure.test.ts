import { describe, expect, it } from "vitest";
import { freshFirst, isNew, matching as matchingAgents, withWhat } from "../src/agents/fresh";
import { problemOf, tenantPath } from "../src/api/client";
import { stale } from "../src/api/live";
import { permission } from "../src/api/queries";
import type { Agent, Hop, TenantRow } from "../src/api/types";
import { ladder } from "../src/onboarding/ladder";
import { blocks } from "../src/parts/markdown";
import { ago, apart, having, list, paged, perPage, pieces, span, until } from "../src/parts/words";
import { rungs } from "../src/security/rotation";
import { blank, tokenRequest } from "../src/security/token";
import { empty, fieldOf, request } from "../src/tenants/draft";
import { hopInTheWay } from "../src/tenant/standing";
import { causes } from "../src/tenants/causes";
import { matching, ordered } from "../src/tenants/sort";

const noon = Date.parse("2026-11-25T12:00:00Z");
const at = (seconds: number) => new Date(noon + seconds * 1000).toISOString();
const row = (slug: string, more: Partial<TenantRow> = {}): TenantRow => ({ slug, ports: [], state: "ready", created: at(0), ...more });

describe("words", () => {
  it("says spans in the largest unit", () => expect([0, 59, 60, 3599, 3600, 86_400 * 3].map(span)).toEqual(["0 s", "59 s", "1 min", "59 min", "1 h", "3 d"]));
  it("says ago and until", () => {
    expect(ago(at(-90), noon)).toBe("1 min ago");
    expect(ago(at(5), noon)).toBe("0 s ago"); // the server's clock may be ahead
    expect(ago(undefined, noon)).toBe("never");
    expect(until(at(7200), noon)).toBe("in 2 h");
    expect(until(at(-7200), noon)).toBe("2 h ago");
  });
  it("takes CamelCase apart", () => expect(["CertificateReady", "DNSPublished", "RotateSecret", "UpToDate"].map(apart)).toEqual(["Certificate ready", "DNS published", "Rotate secret", "Up to date"]));
  it("takes addresses out of a text", () => expect(pieces("behind; see https://x.example/a.md#b, or https://y.example.")).toEqual(["behind; see ", "https://x.example/a.md#b", ", or ", "https://y.example", "."]));
  it("never leaves a page without rows", () => {
    const rows = Array.from({ length: perPage + 1 }, (_, i) => i);
    expect(paged(rows, 2)).toEqual({ page: 2, rows: [perPage] });
    expect(paged(rows.slice(0, 3), 2)).toEqual({ page: 1, rows: [0, 1, 2] });
    expect(paged([], 7)).toEqual({ page: 1, rows: [] });
  });
  it("reads a row once, however much is typed into the filter", () => {
    let read = 0;
    const rows = Array.from({ length: 2000 }, (_, i) => ({ name: `host-${i}` }));
    const said = (row: { name: string }) => (read++, [row.name]);
    for (const text of ["h", "ho", "host-1", "host-12", "HOST-1234"]) having(rows, text, said);
    expect(read).toBe(2000);
    expect(having(rows, "HOST-1234", said)).toEqual([{ name: "host-1234" }]);
    expect(having(rows, " ", said)).toBe(rows);
  });
  it("splits what was typed", () => expect(list(" 10.0.0.0/8,\n192.0.2.0/24 ")).toEqual(["10.0.0.0/8", "192.0.2.0/24"]));
});

describe("tenants", () => {
  const rows = [row("b"), row("a"), row("c", { state: "broken", displayName: "Gamma Ltd" }), row("d", { state: "waiting", certificateEnds: at(9) })];
  it("puts the worst first, then the slugs", () => expect(ordered(rows, "state", false).map((r) => r.slug)).toEqual(["c", "d", "a", "b"]));
  it("says what is broken by its cause, the one with the most tenants first", () => {
    const bad = (slug: string, reason: string, since: number) => row(slug, { state: "broken", reason, since: at(since) });
    const found = causes([row("ok"), bad("a", "HostnameTaken", -9), bad("b", "EdgeUnreachable", -50), bad("c", "EdgeUnreachable", -80), bad("d", "Newest", -1)]);
    expect(found.map((cause) => [cause.reason, cause.rows.length, cause.since])).toEqual([["EdgeUnreachable", 2, at(-80)], ["Newest", 1, at(-1)], ["HostnameTaken", 1, at(-9)]]);
  });
  it("knows which hop is in the way: what a person must mend before what only waits", () => {
    const hop = (type: string, state: Hop["state"]): Hop => ({ type, means: "", state });
    expect(hopInTheWay({ hops: [hop("a", "good"), hop("b", "waiting"), hop("c", "bad")] })?.type).toBe("c");
    expect(hopInTheWay({ hops: [hop("a", "good"), hop("b", "waiting")] })?.type).toBe("b");
    expect(hopInTheWay({ hops: [hop("a", "good")] })).toBeUndefined();
  });
  it("keeps equals in the order of the slugs both ways", () => expect(ordered(rows, "region", true).map((r) => r.slug)).toEqual(["a", "b", "c", "d"]));
  it("puts a certificate that ends before none", () => expect(ordered(rows, "certificate", false)[0]!.slug).toBe("d"));
  it("finds by every word", () => {
    expect(matching(rows, "gamma BROKEN").map((r) => r.slug)).toEqual(["c"]);
    expect(matching(rows, "gamma ready")).toEqual([]);
  });
  it("leaves to the Region what is empty", () => {
    expect(request({ ...empty, slug: " acme " }, false)).toEqual({ slug: "acme" });
    expect(request({ ...empty, slug: "acme", allowedNetworks: "10.0.0.0/8 192.0.2.0/24" }, true)).toEqual({ slug: "acme", allowedNetworks: ["10.0.0.0/8", "192.0.2.0/24"], dryRun: true });
  });
  it("finds the input of a problem", () =>
    expect(["spec.wazuhIngress.hostname", "spec.wazuhIngress.allowedCIDRs[0]", "spec.manager.deploy.version", "spec.region", "metadata.name", "spec.x", undefined].map(fieldOf)).toEqual(["hostname", "allowedNetworks", "version", "region", "slug", undefined, undefined]));
});

describe("agents", () => {
  const agent = (more: Partial<Agent>): Agent => ({ id: "001", name: "web-01", state: "active", ...more });
  it("is new for ten minutes", () => {
    expect(isNew(agent({ registered: at(-599) }), noon)).toBe(true);
    expect(isNew(agent({ registered: at(-601) }), noon)).toBe(false);
    expect(isNew(agent({}), noon)).toBe(false);
  });
  it("puts the new ones on top, the newest first, and leaves the others where they were", () => {
    const all = [agent({ id: "1", registered: at(-9999) }), agent({ id: "2", registered: at(-500) }), agent({ id: "3" }), agent({ id: "4", registered: at(-5) })];
    expect(freshFirst(all, noon).map(({ id }) => id)).toEqual(["4", "2", "1", "3"]);
    expect(freshFirst([all[0]!, all[2]!], noon).map(({ id }) => id)).toEqual(["1", "3"]);
  });
  it("says what was shown", () => {
    expect(withWhat(agent({ enrollment: { at: at(0), credential: "token", token: "berlin", source: "" } }))).toBe("token berlin");
    expect(withWhat(agent({ enrollment: { at: at(0), credential: "previous", source: "" } }))).toBe("previous secret");
    expect(withWhat(agent({}))).toBe("–");
  });
  it("filters by group and address", () => expect(matchingAgents([agent({ groups: ["berlin"] }), agent({ seenFrom: "192.0.2.7" })], "192.0.2").length).toBe(1));
  it("climbs the ladder one rung at a time", () => {
    const name: Hop = { type: "DNSPublished", means: "", state: "good" };
    const reached = (hops: Hop[], agents?: Agent[]) => ladder(hops, agents).map((rung) => rung.reached);
    expect(reached([], undefined)).toEqual([false, false, false]);
    expect(ladder([], undefined, "you may not ask")[1]!.evidence).toBe("not known: you may not ask");
    expect(reached([name], [])).toEqual([true, false, false]);
    expect(reached([name], [agent({ state: "enrolled" })])).toEqual([true, true, false]);
    expect(reached([name], [agent({ state: "active" })])).toEqual([true, true, true]);
    expect(reached([name], [agent({ state: "disconnected", lastKeepAlive: at(-99) })])).toEqual([true, true, true]);
  });
});

describe("security", () => {
  it("knows how far a rotation is", () => {
    expect(rungs("Overlap").map((rung) => rung.state)).toEqual(["done", "done", "now", "pending", "pending"]);
    expect(new Set(rungs("Done").map((rung) => rung.state))).toEqual(new Set(["done"]));
  });
  it("asks for no more of a token than was typed", () => expect(tokenRequest({ ...blank, name: "berlin", expires: "", maxUses: "40" })).toEqual({ name: "berlin", maxUses: 40 }));
  it("names the missing right", () => {
    const rights = { rights: [{ action: "a", allowed: true }, { action: "b", allowed: false, missing: ["create x", "get y"] }] };
    expect(permission(rights, "a").allowed).toBe(true);
    expect(permission(rights, "b")).toEqual({ allowed: false, lacking: "you may not create x; nor get y" });
    expect(permission(undefined, "b").allowed).toBe(true); // the server decides
  });
});

describe("the server", () => {
  it("keeps a slug inside its place in the path", () => expect(tenantPath("a/../b", "agents")).toBe("/api/v1/tenants/a%2F..%2Fb/agents"));
  it("understands who answers in its place", () => {
    expect(problemOf(422, `{"error":"no","field":"slug"}`)).toEqual({ error: "no", field: "slug" });
    expect(problemOf(502, "<html>").error).toContain("502");
    expect(problemOf(502, "null").error).toContain("502");
  });
  it("asks again for what a change makes old", () => {
    expect(stale({ kind: "tokens", tenant: "acme", name: "berlin" })).toEqual([["tokens", "acme"]]);
    expect(stale({ kind: "tenants", name: "acme" })).toContainEqual(["onboarding", "acme"]);
    expect(stale({ kind: "regions", name: "eu" })).toEqual([["regions"]]);
  });
});

describe("markdown", () => {
  it("reads the reference's paragraphs, lists and code", () => {
    expect(blocks("Look at `x`, see [dns](dns.md).\n\n- one\n  more\n\n```sh\nkubectl get x\n```")).toEqual([
      { kind: "paragraph", spans: [{ kind: "text", text: "Look at " }, { kind: "code", text: "x" }, { kind: "text", text: ", see dns." }] },
      { kind: "item", spans: [{ kind: "text", text: "one more" }] },
      { kind: "code", text: "kubectl get x" },
    ]);
  });
  it("never makes an element of what looks like HTML", () => expect(blocks("<script>x</script>")).toEqual([{ kind: "paragraph", spans: [{ kind: "text", text: "<script>x</script>" }] }]));
});
