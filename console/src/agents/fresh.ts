// Which agents are new, and which rows a filter keeps. Pure.
import type { Agent } from "../api/types";
import { having } from "../parts/words";

const newFor = 10 * 60_000;

/** isNew is true for ten minutes after an agent got its key. */
export function isNew(agent: Agent, now: number): boolean {
  const at = agent.enrollment?.at ?? agent.registered;
  return at !== undefined && now - Date.parse(at) < newFor;
}

/** freshFirst puts the new ones on top, the newest before the others: among two thousand, nobody looks for one on the last page. */
export function freshFirst(agents: Agent[], now: number): Agent[] {
  const at = (agent: Agent) => Date.parse(agent.enrollment?.at ?? agent.registered ?? "");
  const fresh = agents.filter((agent) => isNew(agent, now)).sort((a, b) => at(b) - at(a));
  return fresh.length === 0 ? agents : [...fresh, ...agents.filter((agent) => !isNew(agent, now))];
}

export function matching(agents: Agent[], text: string): Agent[] {
  return having(agents, text, (agent) => [agent.id, agent.name, agent.state, agent.os, agent.version, agent.seenFrom, agent.ip, agent.enrollment?.token, ...(agent.groups ?? [])]);
}

/** withWhat says what an agent showed to get its key. */
export function withWhat(agent: Agent): string {
  const { credential, token } = agent.enrollment ?? {};
  return token ? "token " + token : credential === "previous" ? "previous secret" : (credential ?? "–");
}
