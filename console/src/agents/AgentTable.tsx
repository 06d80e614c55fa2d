import { Label } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { Permission } from "../api/queries";
import type { Agent } from "../api/types";
import { Act } from "../parts/Act";
import { Status } from "../parts/Status";
import { Ago } from "../parts/Time";
import { Breakable } from "../parts/Breakable";
import { wide } from "../parts/wide";
import { isNew, withWhat } from "./fresh";

interface Rows { agents: Agent[]; now: number; chosen: ReadonlySet<string>; choose: (ids: ReadonlySet<string>) => void; revoke: (id: string) => void; may: Permission }

export function AgentTable({ agents, now, chosen, choose, revoke, may }: Rows) {
  const pick = (ids: string[], on: boolean) => {
    const next = new Set(chosen);
    for (const id of ids) if (on) next.add(id); else next.delete(id);
    choose(next);
  };
  return (
    <Table aria-label="Agents" variant="compact">
      <Thead>
        <Tr>
          <Th select={{ isSelected: agents.length > 0 && agents.every((agent) => chosen.has(agent.id)), onSelect: (_, on) => pick(agents.map((agent) => agent.id), on) }} aria-label="Select all on this page" />
          <Th width={20}>Agent</Th><Th>State</Th><Th>Last keep-alive</Th><Th width={20} visibility={wide}>System</Th><Th visibility={wide}>Groups</Th><Th>Enrolled</Th><Th screenReaderText="Actions" />
        </Tr>
      </Thead>
      <Tbody>
        {agents.map((agent, i) => (
          <Tr key={agent.id}>
            <Td select={{ rowIndex: i, isSelected: chosen.has(agent.id), onSelect: (_, on) => pick([agent.id], on) }} />
            <Td dataLabel="Agent" ><div className="message named"><Breakable text={agent.name} /> {isNew(agent, now) && <Label isCompact color="purple">new</Label>}<div className="quiet">{agent.id}</div></div></Td>
            <Td dataLabel="State"><Status state={agent.state} /></Td>
            <Td dataLabel="Last keep-alive"><div><Ago at={agent.lastKeepAlive} />{agent.seenFrom && <div className="quiet message">from {agent.seenFrom}</div>}</div></Td>
            <Td dataLabel="System" visibility={wide}>{agent.os ?? "–"}<div className="quiet">{agent.version}</div></Td>
            <Td dataLabel="Groups" visibility={wide}>{agent.groups?.join(", ") ?? "–"}</Td>
            <Td dataLabel="Enrolled"><Ago at={agent.enrollment?.at ?? agent.registered} /><div className="quiet">{withWhat(agent)}</div></Td>
            <Td dataLabel="Actions"><Act may={may} variant="link" isInline isDanger onClick={() => revoke(agent.id)}>Revoke</Act></Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
