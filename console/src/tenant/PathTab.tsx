// What an agent depends on, in the order in which one thing depends on the one before.
import { Content, ExpandableSection, Stack, StackItem, Title } from "@patternfly/react-core";
import { useState } from "react";
import type { Hop, Tenant } from "../api/types";
import { Copy } from "../parts/Copy";
import { Facts } from "../parts/Facts";
import { Linked } from "../parts/Linked";
import { Prose } from "../parts/Prose";
import { Status } from "../parts/Status";
import { Ago } from "../parts/Time";
import { apart } from "../parts/words";

export function PathTab({ tenant }: { tenant: Tenant }) {
  const [spec, setSpec] = useState(false);
  return (
    <Stack hasGutter>
      <StackItem>
        <Title headingLevel="h2" size="md" className="gap-below">What an agent depends on, in order</Title>
        <ol className="path">{tenant.hops.map((hop) => <HopItem key={hop.type} hop={hop} />)}</ol>
      </StackItem>
      {tenant.sides.length > 0 && (
        <StackItem>
          <Title headingLevel="h2" size="md" className="gap-below">Beside the path</Title>
          <ul className="path">{tenant.sides.map((hop) => <HopItem key={hop.type} hop={hop} />)}</ul>
        </StackItem>
      )}
      <StackItem>
        <Title headingLevel="h2" size="md" className="gap-below">Facts</Title>
        <Facts of={[
          ["Hostname", tenant.hostname], ["Address", tenant.address ?? "none yet"], ["Ports", tenant.ports.map((port) => `${port.name} ${port.port}`).join(", ")],
          ["Region, mode", [tenant.region, tenant.mode].filter(Boolean).join(", ")], ["Manager", [tenant.manager.kind, tenant.manager.version].filter(Boolean).join(", ")],
          ["Enrollment", tenant.enrollment.mode], ["Allowed networks", tenant.allowedNetworks.join(", ") || "everywhere"], ["Namespace", tenant.namespace],
          ["Agents, as last counted", tenant.agents && `${tenant.agents.active} of ${tenant.agents.total} active`],
        ]} />
      </StackItem>
      <StackItem>
        <ExpandableSection toggleText="The tenant as YAML" isExpanded={spec} onToggle={(_, open) => setSpec(open)}>
          {spec && <Copy text={tenant.spec} name="YAML" />}
        </ExpandableSection>
      </StackItem>
    </Stack>
  );
}

/** HopItem is one hop: a line if it is in place, and else what is wrong and what to do about it. */
export function HopItem({ hop }: { hop: Hop }) {
  const head = <span className="hop-head"><strong>{apart(hop.type)}</strong> <Status state={hop.state} /></span>;
  const since = hop.since && <>since <Ago at={hop.since} /></>;
  if (hop.state === "good") return <li className="hop">{head} <span className="quiet">{hop.means}{since && <>, {since}</>}</span></li>;
  return (
    <li className={"hop " + hop.state}>
      <h3 className="hop-head">{apart(hop.type)} <Status state={hop.state} /></h3>
      <Content component="p"><Linked text={hop.message ?? hop.means} /></Content>
      {hop.next && <Prose text={hop.next} />}
      {hop.reason && <Content component="small" className="quiet">{hop.reason}{since && <>, {since}</>}</Content>}
    </li>
  );
}
