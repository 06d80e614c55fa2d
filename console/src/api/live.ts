// The stream of changes: it says what kind of thing changed, and what is shown of it is
// asked again. Nothing is taken from the stream itself, so a lost message costs a
// delay and no more.
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Change } from "./types";

/** stale says which queries a change makes old, by the beginnings of their keys. */
export function stale(change: Change): string[][] {
  const slug = change.tenant ?? (change.kind === "tenants" ? change.name : undefined);
  if (!slug) return change.kind === "tenants" ? [["tenants"]] : [[change.kind]];
  if (change.kind === "tenants") {
    // Conditions, the sheet, the secret and its rotation all hang on the Tenant's status.
    return [["tenants"], ["onboarding", slug], ["secret", slug], ["events", slug], ["reports", slug]];
  }
  return [[change.kind, slug]];
}

/** useLive keeps the page fresh, and says whether the stream is up. */
export function useLive(queries: QueryClient, watchAgentsOf?: string): boolean {
  const [up, setUp] = useState(true);
  useEffect(() => {
    const query = watchAgentsOf ? "?agents=" + encodeURIComponent(watchAgentsOf) : "";
    const stream = new EventSource("/api/v1/events" + query);
    let lost = false;
    stream.onopen = () => {
      // What changed while nobody listened is not told again.
      if (lost) void queries.invalidateQueries();
      lost = false;
      setUp(true);
    };
    stream.onerror = () => {
      lost = true;
      setUp(false);
    };
    stream.addEventListener("change", (message) => {
      for (const key of stale(JSON.parse(message.data) as Change)) void queries.invalidateQueries({ queryKey: key });
    });
    return () => stream.close();
  }, [queries, watchAgentsOf]);

  // While the stream is down the page asks by itself.
  useEffect(() => {
    if (up) return;
    const timer = setInterval(() => void queries.invalidateQueries(), 10_000);
    return () => clearInterval(timer);
  }, [up, queries]);
  return up;
}
