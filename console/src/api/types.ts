// What the server answers, as internal/console/wire says it. The Go side keeps an
// example of each in internal/console/wire/testdata; test/wire.test.ts holds the two together.
// Times are RFC 3339 in UTC; what nobody knows is left out; a list is never null.

export interface About { product: string; version: string; signIn: { token: boolean; oidc: boolean; provider?: string; providerSignOut?: string; problem?: Problem } }
export interface Session { user: string; groups: string[]; cluster: string; now: string; ends: string; idleEnds: string }
export interface Problem { error: string; field?: string; next?: string; more?: Problem[] }
export interface Right { action: string; allowed: boolean; missing?: string[] }
export interface Rights { rights: Right[] }
export interface Change { kind: string; tenant?: string; name?: string }
export interface Accepted { message: string; warning?: string }

export type TenantState = "broken" | "waiting" | "removing" | "suspended" | "ready";
export interface NamedPort { name: string; port: number }
export interface Counts { total: number; active: number; disconnected: number; pending: number; neverConnected: number }
export interface TenantRow {
  slug: string; displayName?: string; region?: string; mode?: string; hostname?: string; address?: string;
  ports: NamedPort[]; state: TenantState; reason?: string; message?: string; since?: string; hop?: string;
  agents?: Counts; certificateEnds?: string; created: string;
}
export interface Tenants { now: string; tenants: TenantRow[] }
export interface Hop {
  type: string; means: string; state: "good" | "bad" | "waiting";
  reason?: string; message?: string; since?: string; next?: string;
}
export interface Certificate {
  strategy?: string; issuer?: string; serial?: string; ends: string;
  servedSerial?: string; servedEnds?: string; notServedSince?: string;
}
export interface RemovalStep { step: string; state: "done" | "now" | "pending"; at?: string; evidence?: string; abandoned?: boolean }
export interface Removal { started: string; by?: string; why?: string; report: string; registrations?: number; steps: RemovalStep[] }
export interface Suspension { since: string; by?: string; why?: string; sessions?: number; ended?: string }
export interface Tenant extends TenantRow {
  now: string; namespace: string; behind: boolean; hops: Hop[]; sides: Hop[];
  manager: { kind: string; version?: string; gateway?: string };
  enrollment: { mode?: string; tokens: number; denied: number };
  allowedNetworks: string[]; certificate?: Certificate; suspension?: Suspension; removal?: Removal;
  spec: string; loss: string[];
}
export interface CreateRequest {
  slug: string; displayName?: string; region?: string; mode?: string; hostname?: string; allowedNetworks?: string[];
  edgePorts?: string; version?: string; wazuh5Agents?: string; dryRun?: boolean;
}
export interface Placement { region: string; mode: string; hostname: string; namespace: string; strategy: string }
export interface Created { slug: string; dryRun: boolean; yaml: string; would?: Placement }
export interface Report {
  name: string; tenant: string; finished: string; by?: string; why?: string; registrations?: number;
  abandoned: boolean; keyID: string; text: string;
}

export interface KubeEvent { type: string; reason: string; note: string; at: string; count: number; first?: string; by?: string }
export interface KubeEvents { events: KubeEvent[] }

export interface HeldPort { port: number; tenant: string; restsUntil?: string }
export interface Edge { addresses: string[]; first: number; last: number; ports?: { used: number; resting: number; free: number }; held: HeldPort[] }
export interface Region {
  name: string; domain: string; default: boolean; defaultMode: string; tenants: number; certificates: string; dns: string;
  ready: boolean; reason?: string; message?: string; edge?: Edge;
}
export interface Regions { regions: Region[] }

export interface Step { title: string; shell: "sh" | "powershell"; run: string; remark?: string }
export interface Platform { id: string; name: string; system?: string; package: string; steps: Step[] }
export interface FirewallRow { direction: string; protocol: string; destination: string; addresses?: string[]; port: number; purpose: string }
export interface Sheet {
  tenant: string; displayName?: string; region: string; mode: string; notes?: string[]; hostname: string; addresses: string[] | null;
  ports: { name: string; port: number; purpose: string }[]; agentVersion: string;
  firewall: { rows: FirewallRow[]; remarks: string[] };
  trust: { public: boolean; file?: string; subject?: string; sha256?: string; pem?: string; paths?: { system: string; path: string }[]; check?: Step[] };
  secret: { file: string; remark: string; make: Step[] };
  checks: Step[]; platforms: Platform[];
  installed: { system: string; config: string; clientXML: string; steps: Step[] }[]; plain: Step;
}
export interface Onboarding { sheet: Sheet; authorityPEM?: string }

export interface Agent {
  id: string; name: string; groups?: string[]; version?: string; os?: string; state: string; status?: string;
  lastKeepAlive?: string; registered?: string; ip?: string; registerIP?: string; seenFrom?: string; seenAt?: string;
  enrollment?: { at: string; credential: string; token?: string; source: string; via?: string };
}
export interface Agents { asked: string; agents: Agent[]; notes: string[] }
export interface RevokeRequest { ids?: string[]; selector?: string; sources?: string[]; why: string; dryRun?: boolean }
export interface RevokeResult { id: string; name: string; revocation?: string; already?: boolean; error?: string }
export interface Revoked { dryRun: boolean; agents: Agent[]; results: RevokeResult[] }
export interface Revocation {
  name: string; agentID: string; agentName: string; step?: string; ready: boolean; ended: boolean; reason?: string; message?: string;
  evidence: string[]; sources: string[]; why?: string; by?: string; created: string; refused: number; lastTry?: string;
}
export interface Revocations { revocations: Revocation[] }

export interface Entry { by: string; at: string; why: string }
export interface Rotation { step: string; started: string; overlapUntil?: string; finished?: string; stuck?: string; message?: string; waiting: boolean }
export interface Secret { name: string; state: "armed" | "revealed" | "foreign"; since: string; revealed?: Entry; rearmed?: Entry; rotation?: Rotation }
export interface Revealed { secret: string; warning?: string }
export interface Token {
  name: string; state: string; reason?: string; message?: string; uses: number; maxUses: number; expires?: string;
  group?: string; names?: string; sources: string[]; created: string; lastUse?: string;
}
export interface Tokens { tokens: Token[] }
export interface TokenRequest { name: string; expires?: string; maxUses?: number; group?: string; names?: string; sources?: string[] }
export interface Handover { tenant: string; name: string; state: string; createdBy: string; why: string; created: string; expires: string; opened?: string; from?: string }
export interface Handovers { url?: string; handovers: Handover[] }
export interface HandoverRequest { expires?: string; why: string; version?: string; group?: string }
export interface Link { name: string; url: string; expires: string; warning?: string }

export interface Blind { kind: string; missing: string }
export interface SignInRequest { token: string }
export interface WhyRequest { why: string }
export interface OffboardRequest { why: string; confirm: string }
export interface RevealRequest { why: string; token?: string }
export interface RotateRequest { overlap?: string }
