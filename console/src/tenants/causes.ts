// What is broken, by its cause: an edge that is down breaks two hundred tenants and is
// one thing to mend. Pure.
import type { TenantRow } from "../api/types";

export interface Cause { reason: string; rows: TenantRow[]; since?: string }

/** causes are the reasons for which tenants wait for a person, the one with the most tenants first, then the newest. */
export function causes(rows: TenantRow[]): Cause[] {
  const found = new Map<string, Cause>();
  for (const row of rows) {
    if (row.state !== "broken") continue;
    const reason = row.reason ?? "not reported";
    const cause = found.get(reason) ?? { reason, rows: [] };
    cause.rows.push(row);
    if (row.since && !(cause.since && cause.since < row.since)) cause.since = row.since;
    found.set(reason, cause);
  }
  return [...found.values()].sort((a, b) => b.rows.length - a.rows.length || ((a.since ?? "") > (b.since ?? "") ? -1 : 1));
}
