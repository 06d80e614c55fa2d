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
const suspended = { ...example("Tenant"), state: "suspended", suspension: { since: "2026-11-25T11:00:00Z", by: "jane@mssp.example.com", why: "invoice 2026-117 unpaid", sessions: 3 } };
const nothingAllowed = { rights: ["tenant.suspend", "tenant.offboard", "agents.revoke", "secret.reveal", "secret.rotate", "tokens.make", "handovers.make"].map((action) => ({ action, allowed: false, missing: ["update secrets in namespace tenant-acme"] })) };

export const screens = [
  { name: "sign-in", path: "/", shows: "Kubernetes token", phone: true, answers: { "GET /api/v1/session": [401, { error: "nobody is signed in" }] } },
  { name: "sign-in-oidc", path: "/", shows: "identity provider", answers: { "GET /api/v1/session": [401, { error: "nobody is signed in" }], "GET /api/v1/about": [200, { ...example("About"), signIn: { token: true, oidc: true } }] } },
  { name: "tenants", path: "/tenants", shows: "Acme GmbH", phone: true },
  { name: "tenants-empty", path: "/tenants", shows: "No tenant yet", answers: { "GET /api/v1/tenants": [200, { now: "2026-11-25T12:00:00Z", tenants: [] }] } },
  { name: "tenants-forbidden", path: "/tenants", shows: "You may not see this", answers: { "GET /api/v1/tenants": refused("list tenants.ingress.soctalk.io") } },
  { name: "tenants-error", path: "/tenants", shows: "does not answer", answers: { "GET /api/v1/tenants": [503, { error: "the API server does not answer", next: "it is asked again" }] } },
  { name: "tenants-loading", path: "/tenants", shows: "Tenants", answers: { "GET /api/v1/tenants": ["never"] } },
  { name: "new", path: "/new", shows: "New tenant", phone: true, steps: [(page) => page.getByLabel("Slug").fill("gamma"), see("The cluster would take it")] },
  { name: "new-refused", path: "/new", shows: "New tenant", answers: { "POST /api/v1/tenants": [422, example("Problem")] }, steps: [(page) => page.getByLabel("Slug").fill("beta"), see("is refused"), click("More: hostname, networks, ports, version")] },
  { name: "path", path: "/tenants/acme/path", shows: "What an agent depends on", phone: true, answers: { [`GET ${tenant}`]: [200, { ...example("Tenant"), state: "broken", suspension: undefined, message: "the manager refuses the user in Secret tenant-acme/wazuh-api-credentials" }] } },
  { name: "path-missing", path: "/tenants/acme/path", shows: "There is no tenant", answers: { [`GET ${tenant}`]: [404, { error: "no tenant acme" }], [`GET ${tenant}/report`]: [404, { error: "no report" }] } },
  { name: "removed", path: "/tenants/acme/path", shows: "was removed", answers: { [`GET ${tenant}`]: [404, { error: "no tenant acme" }] } },
  { name: "removing", path: "/tenants/acme/path", shows: "is being removed", answers: { [`GET ${tenant}`]: [200, example("TenantRemoving")] } },
  { name: "suspended", path: "/tenants/acme/path", shows: "nobody connects", answers: { [`GET ${tenant}`]: [200, suspended] } },
  { name: "onboarding", path: "/tenants/acme/onboarding", shows: "Where agents connect", phone: true, steps: [see("Save the kit")] },
  { name: "onboarding-waiting", path: "/tenants/acme/onboarding", shows: "has no hostname yet", answers: { [`GET ${tenant}/onboarding`]: [503, { error: 'tenant "acme" has no hostname yet', next: "wait for it" }] } },
  { name: "reveal", path: "/tenants/acme/onboarding", shows: "Where agents connect", answers: { [`GET ${tenant}/secret`]: [200, { name: "wazuh-authd-secret", state: "armed", since: "2026-11-24T12:00:00Z" }] }, steps: [click("Reveal once"), see("Reveal the enrollment secret?")] },
  { name: "agents", path: "/tenants/acme/agents", shows: "laptop-7", phone: true },
  { name: "agents-empty", path: "/tenants/acme/agents", shows: "No agent yet", answers: { [`GET ${tenant}/agents`]: [200, { asked: "2026-11-25T12:00:00Z", agents: [], notes: [] }] } },
  { name: "agents-forbidden", path: "/tenants/acme/agents", shows: "You may not see this", answers: { [`GET ${tenant}/agents`]: refused("create pods/portforward in namespace tenant-acme"), [`GET ${tenant}/revocations`]: refused("list revocations.ingress.soctalk.io") } },
  { name: "revoke", path: "/tenants/acme/agents", shows: "laptop-7", steps: [(page) => page.getByRole("checkbox", { name: /all/i }).check(), click("Revoke 2"), see("Type acme to go on")] },
  { name: "security", path: "/tenants/acme/security", shows: "Enrollment secret", phone: true, steps: [see("berlin")] },
  { name: "security-forbidden", path: "/tenants/acme/security", shows: "Enrollment secret", answers: { [`GET ${tenant}/rights`]: [200, nothingAllowed] }, steps: [(page) => page.getByRole("button", { name: "Rotate" }).focus(), see("update secrets in namespace tenant-acme")] },
  { name: "token", path: "/tenants/acme/security", shows: "berlin", steps: [click("New token"), see("Number of agents")] },
  { name: "events", path: "/tenants/acme/events", shows: "SecretRevealed" },
  { name: "offboard", path: "/tenants/acme/path", shows: "What an agent depends on", steps: [click("Offboard"), see("Type acme to go on")] },
  { name: "regions", path: "/regions", shows: "soc.example.com", phone: true },
  { name: "stream-refused", path: "/tenants", shows: "asks every 10 seconds", answers: { "GET /api/v1/events": [503, { error: "no stream" }] } },
  { name: "keyboard", path: "/tenants/acme/path", shows: "What an agent depends on", steps: [skips, givesBack] },
  { name: "nowhere", path: "/nowhere", shows: "Nothing is here" },
];
