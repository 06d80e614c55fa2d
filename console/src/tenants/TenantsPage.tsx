import { EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter, PageSection, SearchInput, Title, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useDeferredValue, useEffect, useRef, useState } from "react";
import { tenants, usePermission } from "../api/queries";
import type { TenantRow } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { Nothing } from "../parts/Nothing";
import { Pages, PagesBelow } from "../parts/Pages";
import { count, paged } from "../parts/words";
import { BrokenNow } from "./BrokenNow";
import { type Column, matching, ordered } from "./sort";
import { TenantTable } from "./TenantTable";

export function TenantsPage() {
  const answer = useQuery(tenants());
  const go = useNavigate();
  const may = usePermission("tenant.create");
  const create = <Act may={may} onClick={() => void go({ to: "/new" })}>New tenant</Act>;
  return (
    <PageSection>
      <Title headingLevel="h1" className="gap-below">Tenants</Title>
      <Answer of={answer}>
        {({ tenants: rows }) =>
          rows.length === 0 ? (
            <EmptyState titleText="No tenant yet" headingLevel="h2">
              <EmptyStateBody>A tenant is a customer with a Wazuh manager and a way in for its agents.</EmptyStateBody>
              <EmptyStateFooter><EmptyStateActions>{create}</EmptyStateActions></EmptyStateFooter>
            </EmptyState>
          ) : <Rows rows={rows} create={create} />
        }
      </Answer>
    </PageSection>
  );
}

function Rows({ rows, create }: { rows: TenantRow[]; create: ReactNode }) {
  const [text, setText] = useFilter();
  const [by, setBy] = useState<Column>("state");
  const [down, setDown] = useState(false);
  const [page, setPage] = useState(1);
  const field = useRef<HTMLInputElement>(null);
  useSlash(field);
  const search = (value: string) => {
    setText(value);
    setPage(1);
  };
  // Typing goes before the table.
  const found = matching(rows, useDeferredValue(text));
  const shown = paged(ordered(found, by, down), page);
  return (
    <>
      <BrokenNow rows={rows} filter={search} />
      <Toolbar>
        <ToolbarContent>
          <ToolbarItem><SearchInput ref={field} aria-label="Filter tenants" placeholder="Filter, or press /" value={text} onChange={(_, value) => search(value)} onClear={() => search("")} /></ToolbarItem>
          <ToolbarItem>{create}</ToolbarItem>
          <ToolbarItem alignSelf="center"><span role="status">{count(found.length, "tenant")}</span></ToolbarItem>
          <Pages of={found.length} page={shown.page} go={setPage} name="tenants" />
        </ToolbarContent>
      </Toolbar>
      {found.length === 0 ? <Nothing text={text} clear={() => search("")} /> : (
        <>
          <TenantTable rows={shown.rows} by={by} down={down} sort={(column, downwards) => { setBy(column); setDown(downwards); setPage(1); }} />
          <PagesBelow of={found.length} page={shown.page} go={setPage} name="tenants" />
        </>
      )}
    </>
  );
}

/** useFilter keeps what was typed in the address, so that it is still there after a look at a tenant. */
function useFilter(): [string, (text: string) => void] {
  const { q = "" } = useSearch({ from: "/tenants" });
  const go = useNavigate({ from: "/tenants" });
  const [text, setText] = useState(q);
  useEffect(() => {
    if (text === q) return;
    const timer = setTimeout(() => void go({ search: { q: text || undefined }, replace: true }), 300);
    return () => clearTimeout(timer);
  }, [text, q, go]);
  return [text, setText];
}

/** useSlash puts the cursor into the field at "/", unless somebody types elsewhere. */
function useSlash(field: { current: HTMLInputElement | null }) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [field]);
}
