// How far a customer's first agent has come. Pure.
import type { Agent, Hop } from "../api/types";

export type Rung = { key: string; title: string; reached: boolean; evidence: string };

/** ladder tells the three rungs: each is a different port or name, and fails by itself. */
export function ladder(hops: Hop[], agents: Agent[] | undefined, refusal?: string): Rung[] {
  const name = hops.find((hop) => hop.type === "DNSPublished");
  const known = agents ?? [];
  const heard = known.filter((agent) => agent.state === "active" || agent.lastKeepAlive !== undefined);
  return [
    { key: "name", title: "The name resolves", reached: name?.state === "good", evidence: name?.message ?? "not reported yet" },
    { key: "enrolled", title: "An agent has enrolled", reached: known.length > 0, evidence: evidence(agents, refusal, known, "none yet: firewall of the enrollment port, or the secret") },
    { key: "connected", title: "An agent is connected", reached: heard.length > 0, evidence: evidence(agents, refusal, heard, known.length > 0 ? "not heard of yet: about 40 seconds after enrolling; then look at the firewall of the events port" : "none yet") },
  ];
}

function evidence(asked: Agent[] | undefined, refusal: string | undefined, found: Agent[], none: string): string {
  if (!asked) return refusal ? "not known: " + refusal : "the manager was not asked yet";
  if (found.length === 0) return none;
  const names = found.slice(-3).map((agent) => agent.name).join(", ");
  return found.length > 3 ? `${found.length} agents, last ${names}` : names;
}
