// Every screen and its states: where, what it shows, what is done there first.
import { example } from "./server.mjs";

const tenant = "/api/v1/tenants/acme";
const refused = (what) => [403, { error: `you may not ${what}`, next: "ask who administers the cluster for that right" }];
const click = (name, role = "button") => (page) => page.getByRole(role, { name, exact: true }).first().click();
const see = (text) => (page) => page.getByText(text).first().waitFor();
// The first thing the keyboard reaches leads past the navigation.
const skips = async (page) => {
  await page.keyboard.press("Tab");
  if ((await page.evaluate(() => document.activeElement.textContent)) !== "Skip to content") throw new Error("the first Tab does not reach the skip link");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.id === "main");
};
// A dialog opened by the keyboard gives the focus back to what opened it.
const givesBack = async (page) => {
  await page.getByRole("button", { name: "Suspend" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement.textContent === "Suspend");
};
// Data as it is on a bad night.
const many = (n, one) => Array.from({ length: n }, (_, i) => one(i));
const long = "Vereinigte Dampfschifffahrts- und Elektrizitätswerkegesellschaft für den Donau-Oder-Elbe-Raum mit beschränkter Haftung und Compagnie Kommanditgesellschaft, Niederlassung Süd";
const [broken, ready] = example("Tenants").tenants;
const reasons = [["EdgeUnreachable", "EdgeConfigured", "edge eu-1 has not answered for 4 minutes; look with kubectl -n soctalk-system get pods -l app.kubernetes.io/component=edge"], ["CertificateExpired", "CertificateReady", "the certificate in Secret wazuh-tls ended 2026-11-24T12:00:00Z; look with kubectl describe certificate"], ["HostnameTaken", "ClaimsHeld", broken.message], ["ManagerUnauthorized", "ManagerReachable", "the manager refuses the user"]];
const night = many(500, (i) => {
  const name = `customer-${String(i).padStart(3, "0")}`;
  const [reason, hop, message] = reasons[i % 10 === 0 ? 0 : i % 30 === 1 ? 1 : i % 97 === 2 ? 2 : 3];
  const bad = i % 10 === 0 || i % 30 === 1 || i % 97 === 2 || i === 333;
  return { ...(bad ? broken : ready), slug: i === 42 ? "a".repeat(40) : name, displayName: i % 50 === 0 ? long : `Customer ${i}`, hostname: `${name}.soc.eu-central.mssp.example.com`, ...(bad ? { reason, hop, message } : {}) };
});
const [laptop] = example("Agents").agents;
const fleet = many(2000, (i) => ({ ...laptop, id: String(i + 1).padStart(4, "0"), name: i === 7 ? "workstation-" + "x".repeat(90) : `host-${i}.berlin.corp.example.com`, state: ["active", "active", "active", "disconnected", "never_connected"][i % 5] }));
const wrong = { ...example("Tenant"), state: "broken", suspension: undefined, displayName: long, message: reasons[0][2], hostname: "a".repeat(63) + ".soc.eu-central.mssp.example.com", allowedNetworks: many(40, (i) => `203.0.${i}.0/24`) };
wrong.hops = wrong.hops.map((hop, i) => ({ ...hop, state: "bad", reason: reasons[i % 4][0], message: reasons[i % 4][2], since: "2026-11-25T11:00:00Z", next: "What it means: `wazuh-tls` is out of date.\n\n```sh\nkubectl -n tenant-acme describe certificate wazuh-tls --with-a-very-long-flag-that-does-not-end-for-quite-a-while=yes\n```\n\n- look at the issuer\n- then at DNS" }));
wrong.sides = wrong.sides.map((side) => ({ ...side, state: "bad", reason: "Stalled", message: "it does not go on" }));

// A table keeps its size however much is behind it, and a filter typed does not grow it.
const staysSmall = (label, wanted, rest) => async (page) => {
  const rows = () => page.locator("main table").first().locator("tbody tr").count();
  if ((await rows()) !== 50) throw new Error(`${await rows()} rows are shown at once, want 50`);
  await page.evaluate(() => {
    window.made = 0;
    new MutationObserver((all) => all.forEach((each) => (window.made += each.addedNodes.length))).observe(document.querySelector("main"), { childList: true, subtree: true });
  });
  const field = page.getByLabel(label);
  for (const key of wanted) await field.press(key);
  await page.getByText(rest, { exact: true }).first().waitFor();
  // Each key may redraw a page of rows, of nine cells and a few things in each; never all there is.
  const most = wanted.length * 50 * 9 * 6;
  const made = await page.evaluate(() => window.made);
  if (made > most) throw new Error(`typing ${wanted} made ${made} nodes, want at most ${most}`);
  await field.fill("");
  await page.getByText(rest, { exact: true }).first().waitFor({ state: "detached" });
};
const stays = async (page, byPerson) => {
  await page.getByRole("button", { name: "Stay signed in" }).click();
  await page.getByRole("button", { name: "Stay signed in" }).waitFor({ state: "detached" });
  if (byPerson.join() !== "/api/v1/session") throw new Error(`the session was renewed by ${byPerson.join(", ") || "nothing"}`);
};
// Masked until it is asked for, copied whole, and gone when it is put away.
const revealed = async (page) => {
  const { secret } = example("Revealed");
  const there = async () => (await page.content()).includes(secret);
  if (await there()) throw new Error("the secret is on the page before anybody asked");
  await click("Reveal once")(page);
  await page.locator('input[id$="why"]').fill("first agents, ticket 4711");
  await page.getByRole("dialog").getByRole("button", { name: "Reveal", exact: true }).click();
  await page.getByText("Copy it now. It is not shown again.").waitFor();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy secret" }).click();
  await page.getByRole("status").getByText("Copied").waitFor({ state: "attached" });
  if ((await page.evaluate(() => navigator.clipboard.readText())) !== secret) throw new Error("something else was copied");
  // A browser that does not let pages copy gets it selected.
  await page.evaluate(() => (navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"))));
  await page.getByRole("button", { name: "Copy secret" }).click();
  await page.waitForFunction((text) => getSelection().toString().trim() === text, secret);
  await click("I have it")(page);
  await see("Allow another reveal")(page);
  if (await there()) throw new Error("the secret stays on the page after it was put away");
};
const soon = { ...example("Session"), idleEnds: "2026-11-25T12:01:30Z" };
// A new screen begins at its top; going from tab to tab keeps the keyboard where it is.
const beginsAtTheTop = async (page) => {
  await page.evaluate(() => document.getElementById("main").scrollTo({ top: 9999 }));
  await page.getByRole("link", { name: "customer-000" }).first().click();
  await page.getByText("What an agent depends on").waitFor();
  await page.waitForFunction(() => document.activeElement.id === "main" && document.activeElement.scrollTop === 0);
  await page.getByRole("tab", { name: "Events" }).click();
  await page.waitForFunction(() => document.activeElement.textContent === "Events");
};
const suspended = { ...example("Tenant"), state: "suspended", suspension: { since: "2026-11-25T11:00:00Z", by: "jane@mssp.example.com", why: "invoice 2026-117 unpaid", sessions: 3 } };
const nothingAllowed = { rights: ["tenant.suspend", "tenant.offboard", "agents.revoke", "secret.reveal", "secret.rotate", "tokens.make", "tokens.reveal", "tokens.revoke", "tokens.delete", "handovers.make"].map((action) => ({ action, allowed: false, missing: ["update secrets in namespace tenant-acme"] })) };

export const screens = [
  { name: "sign-in", path: "/", shows: "Kubernetes token", answers: { "GET /api/v1/session": [401, { error: "nobody is signed in" }], "GET /api/v1/about": [200, { ...example("About"), signIn: { token: true, oidc: false } }] } },
  { name: "sign-in-oidc", path: "/", shows: "Sign in with Acme ID", answers: { "GET /api/v1/session": [401, { error: "nobody is signed in" }] }, steps: [see("access_denied"), see("Sign out of Acme ID too")] },
  { name: "tenants", path: "/tenants", shows: "Acme GmbH" },
  { name: "tenants-many", path: "/tenants", shows: "500 tenants", answers: { "GET /api/v1/tenants": [200, { now: "2026-11-25T12:00:00Z", tenants: night }] }, steps: [staysSmall("Filter tenants", "customer-333", "1 tenant")] },
  { name: "tenants-filtered", path: "/tenants?q=EdgeUnreachable", shows: "50 tenants", answers: { "GET /api/v1/tenants": [200, { now: "2026-11-25T12:00:00Z", tenants: night }] } },
  { name: "tenants-to-one", path: "/tenants", shows: "500 tenants", answers: { "GET /api/v1/tenants": [200, { now: "2026-11-25T12:00:00Z", tenants: night }], "GET /api/v1/tenants/customer-000": [200, { ...example("Tenant"), slug: "customer-000" }] }, steps: [beginsAtTheTop, see("SecretRevealed")] },
  { name: "tenants-no-match", path: "/tenants?q=zeta", shows: "Nothing matches" },
  { name: "tenants-away", path: "/tenants", shows: "does not answer", answers: { "GET /api/v1/tenants": ["away"], "GET /api/v1/events": ["away"] } },
  { name: "tenants-empty", path: "/tenants", shows: "No tenant yet", answers: { "GET /api/v1/tenants": [200, { now: "2026-11-25T12:00:00Z", tenants: [] }] } },
  { name: "tenants-forbidden", path: "/tenants", shows: "You may not see this", answers: { "GET /api/v1/tenants": refused("list tenants.ingress.soctalk.io") } },
  { name: "tenants-error", path: "/tenants", shows: "does not answer", answers: { "GET /api/v1/tenants": [503, { error: "the API server does not answer", next: "it is asked again" }] } },
  { name: "tenants-loading", path: "/tenants", shows: "Tenants", answers: { "GET /api/v1/tenants": ["never"] } },
  { name: "new", path: "/new", shows: "New tenant", steps: [(page) => page.getByLabel("Slug").fill("gamma"), see("The cluster would take it")] },
  { name: "new-refused", path: "/new", shows: "New tenant", answers: { "POST /api/v1/tenants": [422, example("Problem")] }, steps: [(page) => page.getByLabel("Slug").fill("beta"), see("is refused"), click("More: hostname, networks, ports, version")] },
  { name: "path", path: "/tenants/acme/path", shows: "What an agent depends on", answers: { [`GET ${tenant}`]: [200, { ...example("Tenant"), state: "broken", suspension: undefined, message: "the manager refuses the user in Secret tenant-acme/wazuh-api-credentials" }] } },
  { name: "path-all-bad", path: "/tenants/acme/path", shows: "What an agent depends on", answers: { [`GET ${tenant}`]: [200, wrong] } },
  { name: "security-all-bad", path: "/tenants/acme/security", shows: "See the path", answers: { [`GET ${tenant}`]: [200, wrong] }, steps: [see("Enrollment secret")] },
  { name: "path-missing", path: "/tenants/acme/path", shows: "There is no tenant", answers: { [`GET ${tenant}`]: [404, { error: "no tenant acme" }], [`GET ${tenant}/report`]: [404, { error: "no report" }] } },
  { name: "removed", path: "/tenants/acme/path", shows: "was removed", answers: { [`GET ${tenant}`]: [404, { error: "no tenant acme" }] } },
  { name: "removing", path: "/tenants/acme/path", shows: "is being removed", answers: { [`GET ${tenant}`]: [200, example("TenantRemoving")] } },
  { name: "suspended", path: "/tenants/acme/path", shows: "nobody connects", answers: { [`GET ${tenant}`]: [200, suspended] } },
  { name: "onboarding", path: "/tenants/acme/onboarding", shows: "Where agents connect", steps: [see("Save the kit")] },
  { name: "onboarding-waiting", path: "/tenants/acme/onboarding", shows: "has no hostname yet", answers: { [`GET ${tenant}/onboarding`]: [503, { error: 'tenant "acme" has no hostname yet', next: "wait for it" }] } },
  { name: "reveal", path: "/tenants/acme/onboarding", shows: "Where agents connect", answers: { [`GET ${tenant}/secret`]: [200, { name: "wazuh-authd-secret", state: "armed", since: "2026-11-24T12:00:00Z" }] }, steps: [click("Reveal once"), see("Reveal the enrollment secret?")] },
  { name: "reveal-shown", path: "/tenants/acme/onboarding", shows: "Where agents connect", answers: { [`GET ${tenant}/secret`]: (nth) => [200, { name: "wazuh-authd-secret", state: nth === 1 ? "armed" : "revealed", since: "2026-11-24T12:00:00Z" }] }, steps: [revealed] },
  { name: "agents", path: "/tenants/acme/agents", shows: "laptop-7" },
  { name: "agents-many", path: "/tenants/acme/agents", shows: "2000 agents", answers: { [`GET ${tenant}/agents`]: [200, { asked: "2026-11-25T12:00:00Z", agents: fleet, notes: [] }] }, steps: [staysSmall("Filter agents", "host-1234.", "1 agent")] },
  { name: "revoke-many", path: "/tenants/acme/agents", shows: "2000 agents", answers: { [`GET ${tenant}/agents`]: [200, { asked: "2026-11-25T12:00:00Z", agents: fleet, notes: [] }], [`POST ${tenant}/agents/revoke`]: [200, { dryRun: true, agents: fleet.slice(0, 50), results: [] }] }, steps: [(page) => page.getByRole("checkbox", { name: /all/i }).check(), click("Revoke 50"), see("Type acme to go on")] },
  { name: "agents-empty", path: "/tenants/acme/agents", shows: "No agent is registered", answers: { [`GET ${tenant}/agents`]: [200, { asked: "2026-11-25T12:00:00Z", agents: [], notes: [] }] } },
  { name: "agents-forbidden", path: "/tenants/acme/agents", shows: "You may not see this", answers: { [`GET ${tenant}/agents`]: refused("create pods/portforward in namespace tenant-acme"), [`GET ${tenant}/revocations`]: refused("list revocations.ingress.soctalk.io") } },
  { name: "revoke", path: "/tenants/acme/agents", shows: "laptop-7", steps: [(page) => page.getByRole("checkbox", { name: /all/i }).check(), click("Revoke 2"), see("Type acme to go on")] },
  { name: "security", path: "/tenants/acme/security", shows: "Enrollment secret", steps: [see("berlin")] },
  { name: "security-forbidden", path: "/tenants/acme/security", shows: "Enrollment secret", answers: { [`GET ${tenant}/rights`]: [200, nothingAllowed] }, steps: [(page) => page.locator('button[aria-disabled="true"]', { hasText: "Rotate" }).focus(), see("update secrets in namespace tenant-acme")] },
  { name: "token", path: "/tenants/acme/security", shows: "berlin", steps: [click("New token"), see("Number of agents")] },
  { name: "events", path: "/tenants/acme/events", shows: "SecretRevealed" },
  { name: "offboard", path: "/tenants/acme/path", shows: "What an agent depends on", steps: [click("Offboard"), see("Type acme to go on")] },
  { name: "regions", path: "/regions", shows: "soc.example.com" },
  { name: "stream-refused", path: "/tenants", shows: "asks every 10 seconds", answers: { "GET /api/v1/events": [503, { error: "no stream" }] } },
  { name: "session-near", path: "/tenants", shows: "You will be signed out", answers: { "GET /api/v1/session": [200, soon] } },
  { name: "session-stays", path: "/tenants", shows: "You will be signed out", answers: { "GET /api/v1/session": (nth) => [200, nth < 3 ? soon : example("Session")] }, steps: [stays] },
  { name: "session-last-minutes", path: "/tenants", shows: "after its eight hours", answers: { "GET /api/v1/session": [200, { ...soon, ends: "2026-11-25T12:01:00Z" }] } },
  { name: "session-over", path: "/tenants", shows: "A session ends after 8 hours", answers: { "GET /api/v1/session": (nth) => (nth === 1 ? [200, example("Session")] : [401, { error: "you are not signed in" }]), "GET /api/v1/tenants": [401, { error: "you are not signed in" }], "GET /api/v1/about": [200, { ...example("About"), signIn: { token: true, oidc: false } }] } },
  { name: "keyboard", path: "/tenants/acme/path", shows: "What an agent depends on", steps: [skips, givesBack] },
  { name: "nowhere", path: "/nowhere", shows: "Nothing is here" },
];
