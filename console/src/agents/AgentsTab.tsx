// The tenant's agents as they are now, and those that are revoked.
import { Alert, Button, EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter, SearchInput, Stack, StackItem, Title, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useState } from "react";
import { agents, usePermission } from "../api/queries";
import type { Agents } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { Ago, useNow } from "../parts/Time";
import { Nothing } from "../parts/Nothing";
import { Pages, PagesBelow } from "../parts/Pages";
import { count, paged } from "../parts/words";
import { AgentTable } from "./AgentTable";
import { freshFirst, matching } from "./fresh";
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

function Roster({ slug, data }: { slug: string; data: Agents }) {
  const [text, setText] = useState("");
  const [page, setPage] = useState(1);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [revoking, setRevoking] = useState<string[]>();
  const may = usePermission("agents.revoke", slug);
  const now = useNow();
  const go = useNavigate();
  // Typing goes before the table.
  const found = freshFirst(matching(data.agents, useDeferredValue(text)), now);
  const shown = paged(found, page);
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
          <Pages of={found.length} page={shown.page} go={setPage} name="agents" />
        </ToolbarContent>
      </Toolbar>
      {data.agents.length === 0 ? (
        <EmptyState titleText="No agent is registered" headingLevel="h2" variant="sm">
          <EmptyStateBody>Agent Onboarding has what the customer needs. A new agent shows here within seconds, by itself.</EmptyStateBody>
          <EmptyStateFooter><EmptyStateActions><Button variant="secondary" onClick={() => void go({ to: "/tenants/$slug/$tab", params: { slug, tab: "onboarding" } })}>Go to Agent Onboarding</Button></EmptyStateActions></EmptyStateFooter>
        </EmptyState>
      ) : found.length === 0 ? <Nothing text={text} clear={() => search("")} /> : (
        <>
          <AgentTable agents={shown.rows} now={now} chosen={chosen} choose={setChosen} revoke={(id) => setRevoking([id])} may={may} />
          <PagesBelow of={found.length} page={shown.page} go={setPage} name="agents" />
        </>
      )}
      {revoking && <Revoke slug={slug} ids={revoking} close={() => { setRevoking(undefined); setChosen(new Set()); }} />}
    </>
  );
}
