// A tenant: what it is, whether agents can come in, and a tab for each thing people do with it.
import { Alert, Breadcrumb, BreadcrumbItem, Flex, FlexItem, PageSection, Tab, Tabs, TabTitleText, Title } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { Refusal } from "../api/client";
import { tenant } from "../api/queries";
import type { Tenant } from "../api/types";
import { AgentsTab } from "../agents/AgentsTab";
import { EventsTab } from "../events/EventsTab";
import { Removal, Removed } from "../offboard/Removal";
import { TenantActions } from "../offboard/TenantActions";
import { OnboardingTab } from "../onboarding/OnboardingTab";
import { Answer } from "../parts/Answer";
import { Linked } from "../parts/Linked";
import { Prose } from "../parts/Prose";
import { Status } from "../parts/Status";
import { Ago } from "../parts/Time";
import { SecurityTab } from "../security/SecurityTab";
import { hopInTheWay, isSuspended } from "./standing";
import { PathTab } from "./PathTab";

const tabs = [
  { key: "path", title: "Path" }, { key: "onboarding", title: "Agent Onboarding" }, { key: "agents", title: "Agents" },
  { key: "security", title: "Security" }, { key: "events", title: "Events" },
];

export function TenantPage() {
  const { slug, tab } = useParams({ from: "/tenants/$slug/$tab" });
  const answer = useQuery(tenant(slug));
  const gone = answer.error instanceof Refusal && answer.error.status === 404;
  return (
    <PageSection>
      <Breadcrumb><BreadcrumbItem><Link to="/tenants">Tenants</Link></BreadcrumbItem><BreadcrumbItem isActive>{slug}</BreadcrumbItem></Breadcrumb>
      {gone ? <Removed slug={slug} /> : <Answer of={answer}>{(data) => <Body tenant={data} tab={tab} />}</Answer>}
    </PageSection>
  );
}

function Body({ tenant, tab }: { tenant: Tenant; tab: string }) {
  const go = useNavigate();
  const { slug } = tenant;
  // On a phone the tab one is at may be behind the arrow.
  useEffect(() => {
    // In braces: browsers give a promise back, which React would take for a clean-up.
    void document.querySelector('#main [role="tab"][aria-selected="true"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tab]);
  const content = (key: string) => {
    switch (key) {
      case "onboarding": return <OnboardingTab tenant={tenant} />;
      case "agents": return <AgentsTab slug={slug} />;
      case "security": return <SecurityTab tenant={tenant} />;
      case "events": return <EventsTab slug={slug} />;
      default: return <PathTab tenant={tenant} />;
    }
  };
  return (
    <>
      <Flex className="gap-below" alignItems={{ default: "alignItemsCenter" }}>
        <FlexItem className="name"><Title headingLevel="h1" className="message heading" title={tenant.displayName}>{tenant.displayName ?? slug}</Title></FlexItem>
        <FlexItem><Status state={tenant.state} /></FlexItem>
        <FlexItem align={{ default: "alignRight" }}><TenantActions tenant={tenant} /></FlexItem>
      </Flex>
      <State tenant={tenant} tab={tab} />
      <Tabs aria-label="Parts of the tenant" activeKey={tab} onSelect={(_, key) => void go({ to: "/tenants/$slug/$tab", params: { slug, tab: String(key) } })} mountOnEnter unmountOnExit>
        {tabs.map(({ key, title }) => (
          <Tab key={key} eventKey={key} title={<TabTitleText>{title}</TabTitleText>}>
            <PageSection padding={{ default: "noPadding" }} className="tab">{key === tab && content(key)}</PageSection>
          </Tab>
        ))}
      </Tabs>
    </>
  );
}

/** State says in a sentence how the tenant is, unless all is well. */
function State({ tenant, tab }: { tenant: Tenant; tab: string }) {
  if (tenant.removal) return <Removal removal={tenant.removal} slug={tenant.slug} />;
  if (tenant.suspension && isSuspended(tenant)) {
    const { since, by, why, sessions, ended } = tenant.suspension;
    return (
      <Alert isInline variant="warning" component="p" title="Suspended: nobody enrolls and nobody connects" className="gap-below">
        <p>Since <Ago at={since} />{by && ", by " + by}{why && ": " + why}. {ended ? "The manager counts no connection any more." : sessions !== undefined ? `Connections left: ${sessions}.` : ""}</p>
      </Alert>
    );
  }
  if (tenant.state === "ready") return null;
  const hop = hopInTheWay(tenant);
  return (
    <Alert isInline variant={tenant.state === "broken" ? "danger" : "info"} component="p" title={<Linked text={tenant.message ?? "the operator has not looked at it yet"} />} className="gap-below"
      actionLinks={tab !== "path" && <Link to="/tenants/$slug/$tab" params={{ slug: tenant.slug, tab: "path" }}>See the path</Link>}>
      {/* On the path itself the hop says it. */}
      {tab !== "path" && hop?.next && <Prose text={hop.next} />}
    </Alert>
  );
}
