// Everything asked of the server is loading, refused or there; Answer shows which.
import { Alert, AlertActionLink, EmptyState, EmptyStateBody, Skeleton, Stack, StackItem } from "@patternfly/react-core";
import LockIcon from "@patternfly/react-icons/dist/esm/icons/lock-icon";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Refusal } from "../api/client";
import type { Problem } from "../api/types";

/** Answer shows what was asked for. With an old answer and a new refusal it shows both. */
export function Answer<T>({ of, children }: { of: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (of.data === undefined) {
    if (of.isError) return <Refused error={of.error} again={() => void of.refetch()} />;
    return (
      <Stack hasGutter aria-busy="true" aria-label="loading" role="status">
        {["60%", "90%", "75%"].map((width) => <StackItem key={width}><Skeleton width={width} screenreaderText="loading" /></StackItem>)}
      </Stack>
    );
  }
  return (
    <>
      {of.isError && <Refused error={of.error} again={() => void of.refetch()} old />}
      {children(of.data)}
    </>
  );
}

/** Refused says why there is no answer, and what to do. */
export function Refused({ error, old, again }: { error: Error; old?: boolean; again?: () => void }) {
  const status = error instanceof Refusal ? error.status : 0;
  const problem: Problem = error instanceof Refusal ? error.problem : { error: error.message };
  if (status === 403 && !old) {
    return (
      <EmptyState titleText="You may not see this" headingLevel="h2" icon={LockIcon} variant="sm">
        <EmptyStateBody>{problem.error}{problem.next && <><br />{problem.next}</>}</EmptyStateBody>
      </EmptyState>
    );
  }
  return (
    <Alert isInline variant={status === 503 || old ? "warning" : "danger"} title={<span className="message">{problem.error}</span>} component="p" className="gap-below"
      actionLinks={again && <AlertActionLink onClick={again}>Ask again</AlertActionLink>}>
      {old && <p>What is shown is what was known before.</p>}
      {problem.next && <p>{problem.next}</p>}
      {problem.more?.map((each) => <p key={each.error} className="gap-above"><strong>{each.error}</strong>{each.next && <><br />{each.next}</>}</p>)}
    </Alert>
  );
}
