// The session's end: put off by what a person does, and announced before it comes.
import { Alert, AlertActionLink, AlertGroup } from "@patternfly/react-core";
import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Refusal, byPerson, call } from "../api/client";
import { session } from "../api/queries";
import type { Session } from "../api/types";
import { useNow } from "../parts/Time";
import { doing, outlook, warnBefore } from "./ends";

/** renew is the one GET that counts as a person's doing. */
async function renew(queries: QueryClient) {
  try {
    queries.setQueryData(["session"], await call<Session>("GET", "/api/v1/session", undefined, byPerson));
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) await queries.invalidateQueries({ queryKey: ["session"] });
  }
}

// Not pointermove: browsers make one up when the page moves under a pointer that rests.
// A click without a pointer is what a screen reader does.
const inputs = ["pointerdown", "keydown", "wheel", "click"] as const;

export function Ending() {
  const queries = useQueryClient();
  const { data, dataUpdatedAt } = useQuery(session());
  const now = useNow(1_000);
  useEffect(() => {
    const hear = doing(() => void renew(queries), Date.now);
    for (const input of inputs) addEventListener(input, hear, { capture: true, passive: true });
    return () => {
      for (const input of inputs) removeEventListener(input, hear, { capture: true });
    };
  }, [queries]);

  const { left, idle } = data ? outlook(data, now - dataUpdatedAt) : { left: Infinity, idle: true };
  const stage = left > warnBefore ? "far" : left > 0 ? "near" : "over";
  useEffect(() => {
    // Another tab may have put it off; and at the end the door closes.
    if (stage !== "far") void queries.invalidateQueries({ queryKey: ["session"] });
  }, [stage, queries]);

  // It is announced on the server's word, not on what was true half an hour ago.
  if (!data || stage === "far" || outlook(data, 0).left > warnBefore) return null;
  return (
    <AlertGroup isToast isLiveRegion aria-label="The session's end">
      <Alert variant="warning" component="p" title={idle ? "You will be signed out for doing nothing" : "The session ends after its eight hours"}
        actionLinks={idle && <AlertActionLink>Stay signed in{/* pressing it is doing something, as any other key is */}</AlertActionLink>}>
        <p aria-live="off">In {Math.ceil(left / 1000)} seconds. {idle ? "What is typed and not sent is lost then." : "Finish what you type; then sign in again."}</p>
      </Alert>
    </AlertGroup>
  );
}
