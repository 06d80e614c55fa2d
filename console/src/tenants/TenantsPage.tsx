import {
  Alert, Button, EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter, PageSection, SearchInput, Title, Toolbar, ToolbarContent, ToolbarItem,
} from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { tenants, usePermission } from "../api/queries";
import type { TenantRow } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { apart, count } from "../parts/words";
import { matching } from "./sort";
import { TenantTable } from "./TenantTable";

export function TenantsPage() {
  const answer = useQuery(tenants());
  const [text, setText] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useSlash(field);
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
          ) : (
            <>
              <BrokenNow rows={rows} />
              <Toolbar>
                <ToolbarContent>
                  <ToolbarItem><SearchInput ref={field} aria-label="Filter tenants" placeholder="Filter, or press /" value={text} onChange={(_, value) => setText(value)} onClear={() => setText("")} /></ToolbarItem>
                  <ToolbarItem>{create}</ToolbarItem>
                  <ToolbarItem alignSelf="center"><span role="status">{count(matching(rows, text).length, "tenant")}</span></ToolbarItem>
                </ToolbarContent>
              </Toolbar>
              <TenantTable rows={matching(rows, text)} />
            </>
          )
        }
      </Answer>
    </PageSection>
  );
}

/** BrokenNow is what waits for a person, before anything else. */
function BrokenNow({ rows }: { rows: TenantRow[] }) {
  const broken = rows.filter((row) => row.state === "broken");
  const [all, setAll] = useState(false);
  const shown = all ? broken : broken.slice(0, 5);
  return (
    <>
      {shown.map((row) => (
        <Alert key={row.slug} isInline variant="danger" component="h2" className="gap-below" title={<>{row.slug}{row.hop && ": " + apart(row.hop)}</>}
          actionLinks={<Link to="/tenants/$slug/$tab" params={{ slug: row.slug, tab: "path" }}>See its path</Link>}>
          <span className="message">{row.message}</span>
        </Alert>
      ))}
      {broken.length > shown.length && <Button variant="link" isInline onClick={() => setAll(true)}>{count(broken.length - shown.length, "more tenant")} wait for a person</Button>}
    </>
  );
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
