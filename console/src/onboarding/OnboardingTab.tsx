// What the customer's administrator must know, how to hand it over, and whether it worked.
import { Alert, Button, ExpandableSection, ProgressStep, ProgressStepper, Stack, StackItem, Title } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { tenantPath } from "../api/client";
import { agents, onboarding } from "../api/queries";
import type { Sheet, Tenant } from "../api/types";
import { Answer } from "../parts/Answer";
import { Copy } from "../parts/Copy";
import { Facts } from "../parts/Facts";
import { RevealCard } from "../security/RevealCard";
import { Firewall } from "./Firewall";
import { Handovers } from "./Handovers";
import { ladder } from "./ladder";
import { Platforms, Steps } from "./Platforms";

export function OnboardingTab({ tenant }: { tenant: Tenant }) {
  const answer = useQuery(onboarding(tenant.slug));
  return (
    <Stack hasGutter>
      <StackItem><Ladder tenant={tenant} /></StackItem>
      <StackItem>
        <Answer of={answer}>{({ sheet, authorityPEM }) => <Kit tenant={tenant} sheet={sheet} authority={authorityPEM} />}</Answer>
      </StackItem>
    </Stack>
  );
}

function Ladder({ tenant }: { tenant: Tenant }) {
  const roster = useQuery(agents(tenant.slug));
  const rungs = ladder(tenant.hops, roster.data?.agents, roster.error?.message);
  const first = rungs.findIndex((rung) => !rung.reached);
  return (
    <ProgressStepper aria-label="How far the first agent has come">
      {rungs.map((rung, i) => (
        <ProgressStep key={rung.key} id={rung.key} titleId={rung.key + "-title"} variant={rung.reached ? "success" : i === first ? "info" : "pending"} isCurrent={i === first}
          aria-label={`${rung.title}: ${rung.reached ? "yes" : "not yet"}`} description={rung.evidence}>{rung.title}</ProgressStep>
      ))}
    </ProgressStepper>
  );
}

function Kit({ tenant, sheet, authority }: { tenant: Tenant; sheet: Sheet; authority?: string }) {
  return (
    <Stack hasGutter>
      {(sheet.notes ?? []).map((note) => <StackItem key={note}><Alert isInline variant="info" component="p" title={note} /></StackItem>)}
      <Part title="Where agents connect">
        <Facts of={[["Hostname", sheet.hostname], ["Addresses", (sheet.addresses ?? []).join(", ") || "none yet"], ...sheet.ports.map((port): [string, string] => [`Port for ${port.name}`, `${port.port}/TCP: ${port.purpose}`])]} />
      </Part>
      <Part title="Enrollment secret"><RevealCard slug={tenant.slug} /></Part>
      <Part title="Hand over">
        <Handovers slug={tenant.slug} />
        <div className="row"><Button component="a" variant="secondary" href={tenantPath(tenant.slug, "onboarding", "bundle")} download>Save the kit</Button> Scripts and checks for every platform, as an archive. The secret is not in it.</div>
      </Part>
      <Part title="Firewall on the customer's side"><Firewall sheet={sheet} /></Part>
      <Part title="Install"><Platforms sheet={sheet} /></Part>
      <Part title="Sample command, where the agent is installed already"><Steps steps={[sheet.plain]} /></Part>
      <Part title="More">
        <More name="Check before you install"><Steps steps={sheet.checks} /></More>
        <More name="Write the secret's file"><Steps steps={sheet.secret.make} /></More>
        {sheet.installed.map((each) => (
          <More key={each.system} name={"Already installed, version 4: " + each.system}><p>In {each.config}, replace &lt;client&gt; with:</p><Copy text={each.clientXML} name="configuration" /><Steps steps={each.steps} /></More>
        ))}
        <More name="The authority to trust">
          {authority ? <><p>{sheet.trust.subject}, SHA-256 <span className="message">{sheet.trust.sha256}</span></p><Copy text={authority} name="certificate" /></> : <p>A public one, which the endpoints' systems know.</p>}
        </More>
      </Part>
    </Stack>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return <StackItem><Title headingLevel="h2" size="md" className="gap-below">{title}</Title>{children}</StackItem>;
}

function More({ name, children }: { name: string; children: ReactNode }) {
  const [open, setOpen] = useState(false);
  return <ExpandableSection toggleText={name} isExpanded={open} onToggle={(_, now) => setOpen(now)}>{open && children}</ExpandableSection>;
}
