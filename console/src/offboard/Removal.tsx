// A removal: each step with what was seen, and afterwards the signed report.
import { Button, Card, CardBody, CardTitle, Content, EmptyState, EmptyStateBody, ProgressStep, ProgressStepper } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type * as wire from "../api/types";
import { Refusal } from "../api/client";
import { report } from "../api/queries";
import { Answer } from "../parts/Answer";
import { Copy } from "../parts/Copy";
import { Facts } from "../parts/Facts";
import { Ago } from "../parts/Time";
import { apart } from "../parts/words";

const variants = { done: "success", now: "info", pending: "pending" } as const;
const told = { done: "done", now: "under way", pending: "not begun" };

export function Removal({ removal, slug }: { removal: wire.Removal; slug: string }) {
  return (
    <Card className="gap-below">
      <CardTitle component="h2">{slug} is being removed</CardTitle>
      <CardBody>
        <Content component="p">Since <Ago at={removal.started} />{removal.by && ", by " + removal.by}{removal.why && ": " + removal.why}.</Content>
        <ProgressStepper isVertical aria-label="Steps of the removal">
          {removal.steps.map((step) => (
            <ProgressStep key={step.step} id={step.step} titleId={step.step + "-title"} variant={variants[step.state]} isCurrent={step.state === "now"}
              aria-label={`${apart(step.step)}, ${told[step.state]}`} description={step.evidence}>{apart(step.step)}</ProgressStep>
          ))}
        </ProgressStepper>
      </CardBody>
    </Card>
  );
}

/** Removed is shown where a tenant was: what is left of it. */
export function Removed({ slug }: { slug: string }) {
  const answer = useQuery(report(slug));
  if (answer.error instanceof Refusal && answer.error.status === 404) {
    return <EmptyState titleText={`There is no tenant ${slug}`} headingLevel="h1"><EmptyStateBody>And no report of its removal. <Link to="/tenants">See the tenants</Link></EmptyStateBody></EmptyState>;
  }
  return (
    <Answer of={answer}>
      {(data) => (
        <Card>
          <CardTitle component="h1">{slug} was removed</CardTitle>
          <CardBody>
            <Facts of={[["Finished", <Ago at={data.finished} />], ["By", data.by], ["Why", data.why], ["Agents deleted", data.registrations], ["Report", data.name], ["Signed with key", <code className="message">{data.keyID}</code>]]} />
            <Copy text={data.text} name="report" />
            <Button variant="link" component="a" href={`/api/v1/reports/${encodeURIComponent(data.name)}/envelope`} download={data.name + ".json"}>Save the signed report</Button>
          </CardBody>
        </Card>
      )}
    </Answer>
  );
}
