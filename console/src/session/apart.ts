// One person's answers are never shown to the next: what was asked is forgotten when a
// session begins, when it ends, and when another one turns up in its place.
import type { QueryClient } from "@tanstack/react-query";
import { Refusal } from "../api/client";
import type { Session } from "../api/types";

/** forget drops every answer. Not with clear(): who is signed in and what the console is are asked by what stays on the screen, which would not hear of a new answer. */
export function forget(queries: QueryClient) {
  queries.removeQueries({ predicate: ({ queryKey: [kind] }) => kind !== "session" && kind !== "about" });
  queries.getMutationCache().clear();
}

const isOver = (error: unknown) => error instanceof Refusal && error.status === 401;

/** keepApart watches for the end of the session. A 401 anywhere may be it: then the door is asked. */
export function keepApart(queries: QueryClient): () => void {
  let visit: string | undefined;
  const askTheDoor = () => {
    if (queries.getQueryState(["session"])?.status === "success") void queries.invalidateQueries({ queryKey: ["session"] });
  };
  const stopQueries = queries.getQueryCache().subscribe((event) => {
    if (event.type !== "updated") return;
    const { action, query } = event;
    const door = query.queryKey[0] === "session";
    if (action.type === "error" && isOver(action.error)) {
      if (door) forget(queries);
      else askTheDoor();
    }
    if (action.type === "success" && door) {
      const { user, ends } = query.state.data as Session;
      if (visit !== undefined && visit !== user + ends) forget(queries);
      visit = user + ends;
    }
  });
  const stopMutations = queries.getMutationCache().subscribe((event) => {
    if (event.type === "updated" && event.action.type === "error" && isOver(event.action.error)) askTheDoor();
  });
  return () => {
    stopQueries();
    stopMutations();
  };
}
