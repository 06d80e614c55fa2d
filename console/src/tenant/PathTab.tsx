// What an agent depends on, in the order in which one thing depends on the one before.
import { Card, CardBody, CardTitle, Content, ExpandableSection, Stack, StackItem, Title } from "@patternfly/react-core";
import { useState } from "react";
import type { Hop, Tenant } from "../api/types";
import { Copy } from "../parts/Copy";
import { Facts } from "../parts/Facts";
import { Prose } from "../parts/Prose";
import { Status } from "../parts/Status";
import { Ago } from "../parts/Time";
import { apart } from "../parts/words";

export function PathTab({ tenant }: { tenant: Tenant }) {
  const [spec, setSpec] = useState(false);
  return (
    <Stack hasGutter>
      <StackItem>
        <Facts of={[
          ["Hostname", tenant.hostname], ["Address", tenant.address ?? "none yet"], ["Ports", tenant.ports.map((port) => `${port.name} ${port.port}`).join(", ")],
          ["Region, mode", [tenant.region, tenant.mode].filter(Boolean).join(", ")], ["Manager", [tenant.manager.kind, tenant.manager.version].filter(Boolean).join(", ")],
          ["Enrollment", tenant.enrollment.mode], ["Allowed networks", tenant.allowedNetworks.join(", ") || "everywhere"], ["Namespace", tenant.namespace],
          ["Agents, as last counted", tenant.agents && `${tenant.agents.active} of ${tenant.agents.total} active`],
        ]} />
      </StackItem>
      <StackItem>
        <Title headingLevel="h2" size="md" className="gap-below">What an agent depends on, in order</Title>
        <ol className="path">{tenant.hops.map((hop) => <li key={hop.type}><HopCard hop={hop} /></li>)}</ol>
      </StackItem>
      {tenant.sides.length > 0 && (
        <StackItem>
          <Title headingLevel="h2" size="md" className="gap-below">Beside the path</Title>
          <ul className="path plain">{tenant.sides.map((hop) => <li key={hop.type}><HopCard hop={hop} /></li>)}</ul>
        </StackItem>
      )}
      <StackItem>
        <ExpandableSection toggleText="The tenant as YAML" isExpanded={spec} onToggle={(_, open) => setSpec(open)}>
          {spec && <Copy text={tenant.spec} name="YAML" />}
        </ExpandableSection>
      </StackItem>
    </Stack>
  );
}

/** HopCard shows one hop; one that is not in place says what to do about it. */
export function HopCard({ hop }: { hop: Hop }) {
  return (
    <Card isCompact>
      <CardTitle component="h3"><span className="hop-head">{apart(hop.type)} <Status state={hop.state} /></span></CardTitle>
      <CardBody>
        <Content component="p" className="message">
          {hop.message && hop.state !== "good" ? hop.message : hop.means}
        </Content>
        {hop.reason && <Content component="small" className="quiet">{hop.reason}{hop.since && <>, since <Ago at={hop.since} /></>}</Content>}
        {hop.next && <Prose text={hop.next} />}
      </CardBody>
    </Card>
  );
}
