// Which agents are new, and which rows a filter keeps. Pure.
import type { Agent } from "../api/types";
import { having } from "../parts/words";

const newFor = 10 * 60_000;

/** isNew is true for ten minutes after an agent got its key. */
export function isNew(agent: Agent, now: number): boolean {
  const at = agent.enrollment?.at ?? agent.registered;
  return at !== undefined && now - Date.parse(at) < newFor;
}

export function matching(agents: Agent[], text: string): Agent[] {
  return having(agents, text, (agent) => [agent.id, agent.name, agent.state, agent.os, agent.version, agent.seenFrom, agent.ip, agent.enrollment?.token, ...(agent.groups ?? [])]);
}

/** withWhat says what an agent showed to get its key. */
export function withWhat(agent: Agent): string {
  const { credential, token } = agent.enrollment ?? {};
  return token ? "token " + token : credential === "previous" ? "previous secret" : (credential ?? "–");
}
