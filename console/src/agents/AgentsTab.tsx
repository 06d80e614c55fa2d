// The tenant's agents as they are now, and those that are revoked.
import { Alert, Content, Pagination, SearchInput, Stack, StackItem, Title, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { agents, usePermission } from "../api/queries";
import type { Agents } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { Ago, useNow } from "../parts/Time";
import { count } from "../parts/words";
import { AgentTable } from "./AgentTable";
import { matching } from "./fresh";
import { Revocations } from "./Revocations";
import { Revoke } from "./Revoke";

export function AgentsTab({ slug }: { slug: string }) {
  const answer = useQuery(agents(slug));
  return (
    <Stack hasGutter>
      <StackItem><Answer of={answer}>{(data) => <Roster slug={slug} data={data} />}</Answer></StackItem>
      <StackItem><Title headingLevel="h2" size="md" className="gap-below">Revoked</Title><Revocations slug={slug} /></StackItem>
    </Stack>
  );
}

const perPage = 50;

function Roster({ slug, data }: { slug: string; data: Agents }) {
  const [text, setText] = useState("");
  const [page, setPage] = useState(1);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [revoking, setRevoking] = useState<string[]>();
  const may = usePermission("agents.revoke", slug);
  const now = useNow();
  const found = matching(data.agents, text);
  const at = Math.min(page, Math.max(1, Math.ceil(found.length / perPage)));
  const selected = data.agents.filter((agent) => chosen.has(agent.id)).map((agent) => agent.id);
  const search = (value: string) => {
    setText(value);
    setPage(1);
  };
  return (
    <>
      {data.notes.map((note) => <Alert key={note} isInline variant="warning" component="p" title={note} className="gap-below" />)}
      <Toolbar>
        <ToolbarContent>
          <ToolbarItem><SearchInput aria-label="Filter agents" placeholder="Filter" value={text} onChange={(_, value) => search(value)} onClear={() => search("")} /></ToolbarItem>
          <ToolbarItem><Act may={may} variant="secondary" isDanger isDisabled={selected.length === 0} onClick={() => setRevoking(selected)}>Revoke {selected.length > 0 ? selected.length : ""}</Act></ToolbarItem>
          <ToolbarItem alignSelf="center"><span><span role="status">{count(found.length, "agent")}</span>, asked <Ago at={data.asked} /></span></ToolbarItem>
          {found.length > perPage && <ToolbarItem variant="pagination"><Pagination isCompact itemCount={found.length} perPage={perPage} page={at} onSetPage={(_, next) => setPage(next)} /></ToolbarItem>}
        </ToolbarContent>
      </Toolbar>
      {data.agents.length === 0 ? <Content component="p">No agent yet. The Onboarding tab has what the customer needs; a new agent shows here within seconds.</Content> : (
        <AgentTable agents={found.slice((at - 1) * perPage, at * perPage)} now={now} chosen={chosen} choose={setChosen} revoke={(id) => setRevoking([id])} may={may} />
      )}
      {revoking && <Revoke slug={slug} ids={revoking} close={() => { setRevoking(undefined); setChosen(new Set()); }} />}
    </>
  );
}
