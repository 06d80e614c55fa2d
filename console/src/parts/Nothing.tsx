import { Button, EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter } from "@patternfly/react-core";

/** Nothing is shown in place of a table the filter leaves nothing of. */
export function Nothing({ text, clear }: { text: string; clear: () => void }) {
  return (
    <EmptyState titleText="Nothing matches" headingLevel="h2" variant="sm">
      <EmptyStateBody className="message">No row has &ldquo;{text}&rdquo;.</EmptyStateBody>
      <EmptyStateFooter><EmptyStateActions><Button variant="link" onClick={clear}>Clear the filter</Button></EmptyStateActions></EmptyStateFooter>
    </EmptyState>
  );
}
