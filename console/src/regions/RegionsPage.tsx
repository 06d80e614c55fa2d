import { Alert, Card, CardBody, CardTitle, Content, EmptyState, EmptyStateBody, ExpandableSection, PageSection, Progress, Stack, StackItem, Title } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { regions } from "../api/queries";
import type { Edge, Region } from "../api/types";
import { Answer } from "../parts/Answer";
import { Facts } from "../parts/Facts";
import { Status } from "../parts/Status";
import { Until } from "../parts/Time";
import { count } from "../parts/words";

export function RegionsPage() {
  const answer = useQuery(regions());
  return (
    <PageSection>
      <Title headingLevel="h1" className="gap-below">Regions</Title>
      <Answer of={answer}>
        {({ regions: all }) =>
          all.length === 0 ? (
            <EmptyState titleText="No Region yet" headingLevel="h2"><EmptyStateBody>A Region says where agents come in. The first tenant needs one; examples/loadbalancer.yaml and examples/edge.yaml have it: write yours, then <code>kubectl apply -f</code> it.</EmptyStateBody></EmptyState>
          ) : (
            <Stack hasGutter>{[...all].sort((a, b) => Number(a.ready) - Number(b.ready)).map((region) => <StackItem key={region.name}><RegionCard region={region} /></StackItem>)}</Stack>
          )
        }
      </Answer>
    </PageSection>
  );
}

function RegionCard({ region }: { region: Region }) {
  return (
    <Card>
      <CardTitle component="h2"><span className="hop-head">{region.name} <Status state={region.ready ? "ready" : "broken"} /></span></CardTitle>
      <CardBody>
        {!region.ready && (
          <Alert isInline variant="danger" component="p" className="gap-below" title={<span className="message">{region.message ?? "the operator has not looked at it yet"}</span>}>
            <p>{region.reason && region.reason + ". "}Its conditions: <code>kubectl describe region {region.name}</code></p>
          </Alert>
        )}
        <Facts of={[
          ["Domain", region.domain], ["Default Region", region.default ? "yes" : "no"], ["Mode unless asked", region.defaultMode],
          ["Tenants", region.tenants], ["Certificates", region.certificates], ["DNS", region.dns],
          ["Addresses of the edge", region.edge?.addresses.join(", ")], ["Ports of the edge", region.edge && `${region.edge.first} to ${region.edge.last}`],
        ]} />
        {region.edge && <Ports edge={region.edge} name={region.name} />}
      </CardBody>
    </Card>
  );
}

/** Ports says how full the edge's range is, and who holds what. */
function Ports({ edge, name }: { edge: Edge; name: string }) {
  const [open, setOpen] = useState(edge.held.length <= 24);
  if (!edge.ports) return <Content component="p">Which ports are held is not shown: you may not list claims.</Content>;
  const { used, resting, free } = edge.ports;
  return (
    <>
      <Progress title={`Ports: ${used} used, ${resting} resting, ${free} free`} value={used + resting} min={0} max={used + resting + free} size="sm" measureLocation="none" aria-label={"Ports in use in " + name} />
      {edge.held.length > 0 && (
        <ExpandableSection toggleText={count(edge.held.length, "port") + " held"} isExpanded={open} onToggle={(_, now) => setOpen(now)}>
          <ul className="seats">
            {edge.held.map((held) => (
              <li key={held.port}><strong>{held.port}</strong> {held.restsUntil ? <span className="quiet">rests, was {held.tenant}, free <Until at={held.restsUntil} /></span> : <Link to="/tenants/$slug/$tab" params={{ slug: held.tenant, tab: "path" }}>{held.tenant}</Link>}</li>
            ))}
          </ul>
        </ExpandableSection>
      )}
    </>
  );
}
