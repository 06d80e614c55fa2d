import { Alert, Button } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { TenantRow } from "../api/types";
import { Linked } from "../parts/Linked";
import { apart, count } from "../parts/words";
import { Ago } from "../parts/Time";
import { type Cause, causes } from "./causes";

const few = 3;

/** BrokenNow is what waits for a person, before anything else: each cause, and one click to its next step. */
export function BrokenNow({ rows, filter }: { rows: TenantRow[]; filter: (text: string) => void }) {
  const found = causes(rows);
  const [all, setAll] = useState(false);
  if (found.length === 0) return null;
  const shown = all ? found : found.slice(0, few);
  const broken = found.reduce((n, cause) => n + cause.rows.length, 0);
  return (
    <Alert isInline variant="danger" component="h2" className="gap-below" title={`${count(broken, "tenant")} ${broken === 1 ? "waits" : "wait"} for a person`}>
      <ul className="causes">{shown.map((cause) => <li key={cause.reason}><Why cause={cause} filter={filter} /></li>)}</ul>
      {found.length > shown.length && <Button variant="link" isInline onClick={() => setAll(true)}>{count(found.length - shown.length, "more cause")}</Button>}
    </Alert>
  );
}

function Why({ cause: { reason, rows, since }, filter }: { cause: Cause; filter: (text: string) => void }) {
  const [first] = rows;
  return (
    <>
      <strong>{apart(reason)}</strong> at {rows.slice(0, few).map((row, i) => (
        <span key={row.slug}>{i > 0 && ", "}<Link to="/tenants/$slug/$tab" params={{ slug: row.slug, tab: "path" }}>{row.slug}</Link></span>
      ))}
      {rows.length > few && <> and <Button variant="link" isInline onClick={() => filter(reason)}>{rows.length - few} more</Button></>}
      {since && <span className="quiet">, {rows.length > 1 && "the first "}<Ago at={since} /></span>}
      {first?.message && <div className="clamped four"><Linked text={first.message} /></div>}
    </>
  );
}
