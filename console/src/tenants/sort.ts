// Filtering and ordering of the table of tenants. Pure.
import type { TenantRow } from "../api/types";
import { having } from "../parts/words";

export type Column = "state" | "slug" | "hostname" | "region" | "agents" | "certificate" | "created";

const worst = ["broken", "waiting", "removing", "suspended", "ready"];

const keys: Record<Column, (row: TenantRow) => string | number> = {
  state: (row) => worst.indexOf(row.state),
  slug: (row) => row.slug,
  hostname: (row) => row.hostname ?? "",
  region: (row) => row.region ?? "",
  agents: (row) => row.agents?.total ?? -1,
  certificate: (row) => (row.certificateEnds ? Date.parse(row.certificateEnds) : Number.MAX_SAFE_INTEGER),
  created: (row) => Date.parse(row.created),
};

/** ordered sorts by a column; what is equal stays in the order of the slugs. */
export function ordered(rows: TenantRow[], by: Column, down: boolean): TenantRow[] {
  const key = keys[by];
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const x = key(a), y = key(b);
    return x < y ? -sign : x > y ? sign : a.slug < b.slug ? -1 : 1;
  });
}

/** matching keeps the rows that have every word somewhere. */
export function matching(rows: TenantRow[], text: string): TenantRow[] {
  return having(rows, text, (row) => [row.slug, row.displayName, row.region, row.mode, row.hostname, row.address, row.state, row.reason]);
}
