// Which address shows which screen. Whoever has no session sees the door, whatever
// the address, and after it the screen that was asked for.
import { EmptyState, EmptyStateBody, PageSection } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { Link, createRootRoute, createRoute, createRouter, redirect } from "@tanstack/react-router";
import { Refusal } from "./api/client";
import { session } from "./api/queries";
import { Answer } from "./parts/Answer";
import { RegionsPage } from "./regions/RegionsPage";
import { SignIn } from "./session/SignIn";
import { Shell } from "./shell/Shell";
import { TenantPage } from "./tenant/TenantPage";
import { CreatePage } from "./tenants/CreatePage";
import { TenantsPage } from "./tenants/TenantsPage";

function Door() {
  const answer = useQuery(session());
  if (answer.error instanceof Refusal && answer.error.status === 401) return <SignIn over={answer.data !== undefined} />;
  return <Answer of={answer}>{(data) => <Shell key={data.user + data.ends} session={data} />}</Answer>;
}

function Nowhere() {
  return (
    <PageSection>
      <EmptyState titleText="Nothing is here" headingLevel="h1"><EmptyStateBody><Link to="/tenants">See the tenants</Link></EmptyStateBody></EmptyState>
    </PageSection>
  );
}

const root = createRootRoute({ component: Door, notFoundComponent: Nowhere });
const home = createRoute({ getParentRoute: () => root, path: "/", beforeLoad: () => { throw redirect({ to: "/tenants" }); } });
const list = createRoute({ getParentRoute: () => root, path: "/tenants", component: TenantsPage, validateSearch: ({ q }): { q?: string } => (q === undefined ? {} : { q: String(q) }) });
const create = createRoute({ getParentRoute: () => root, path: "/new", component: CreatePage });
const regions = createRoute({ getParentRoute: () => root, path: "/regions", component: RegionsPage });
const path = createRoute({
  getParentRoute: () => root, path: "/tenants/$slug",
  beforeLoad: ({ params }) => { throw redirect({ to: "/tenants/$slug/$tab", params: { slug: params.slug, tab: "path" } }); },
});
const one = createRoute({ getParentRoute: () => root, path: "/tenants/$slug/$tab", component: TenantPage });

export const router = createRouter({ routeTree: root.addChildren([home, list, create, regions, path, one]) });

declare module "@tanstack/react-router" {
  interface Register { router: typeof router }
}
