// The stream of changes: it says what kind of thing changed, and what is shown of it is
// asked again. Nothing is taken from the stream itself, so a lost message costs a
// delay and no more.
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Blind, Change } from "./types";

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

// How long until the page asks by itself for what it is not told of, and until it
// tries a stream again that the browser gave up.
const askEvery = 10_000;
const tryAgainAfter = 5_000;

/** useLive keeps the page fresh, and says whether the stream is up. */
export function useLive(queries: QueryClient, watchAgentsOf?: string): boolean {
  const [up, setUp] = useState(true);
  // Kinds the person may not watch; the server says which.
  const [blind, setBlind] = useState<ReadonlySet<string>>(new Set());
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const query = watchAgentsOf ? "?agents=" + encodeURIComponent(watchAgentsOf) : "";
    const stream = new EventSource("/api/v1/events" + query);
    let again: ReturnType<typeof setTimeout> | undefined;
    let lost = attempt > 0;
    stream.onopen = () => {
      // What changed while nobody listened is not told again.
      if (lost) void queries.invalidateQueries();
      lost = false;
      setUp(true);
    };
    stream.onerror = () => {
      lost = true;
      setUp(false);
      // A lost connection the browser mends; after a refusal it gives up.
      if (stream.readyState === EventSource.CLOSED) again = setTimeout(() => setAttempt((n) => n + 1), tryAgainAfter);
    };
    stream.addEventListener("change", (message) => {
      for (const key of stale(JSON.parse(message.data) as Change)) void queries.invalidateQueries({ queryKey: key });
    });
    stream.addEventListener("blind", (message) => {
      const { kind } = JSON.parse(message.data) as Blind;
      setBlind((known) => (known.has(kind) ? known : new Set([...known, kind])));
    });
    return () => {
      clearTimeout(again);
      stream.close();
    };
  }, [queries, watchAgentsOf, attempt]);

  useEffect(() => {
    if (up && blind.size === 0) return;
    const ask = () => {
      if (!up) void queries.invalidateQueries();
      else for (const kind of blind) void queries.invalidateQueries({ queryKey: [kind] });
    };
    const timer = setInterval(ask, askEvery);
    return () => clearInterval(timer);
  }, [up, blind, queries]);
  return up;
}
