// The frame around every screen: who is signed in, where to go, and whether what is
// shown is fresh.
import {
  Alert, Button, Masthead, MastheadBrand, MastheadContent, MastheadMain, MastheadToggle, Nav, NavItem, NavList, Page, PageSection, PageSidebar,
  PageSidebarBody, PageToggleButton, SkipToContent,
} from "@patternfly/react-core";
import BarsIcon from "@patternfly/react-icons/dist/esm/icons/bars-icon";
import MoonIcon from "@patternfly/react-icons/dist/esm/icons/moon-icon";
import SunIcon from "@patternfly/react-icons/dist/esm/icons/sun-icon";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useParams, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { call } from "../api/client";
import { useLive } from "../api/live";
import type { Session } from "../api/types";
import { Ending } from "../session/Ending";
import { forget } from "../session/apart";
import { useTheme } from "./theme";

export function Shell({ session }: { session: Session }) {
  const queries = useQueryClient();
  const { slug } = useParams({ strict: false });
  const path = useRouterState({ select: (state) => state.location.pathname });
  // The server asks a manager only while somebody looks at its agents.
  const looking = slug && /\/(agents|onboarding)$/.test(path) ? slug : undefined;
  const up = useLive(queries, looking);
  useTitle(path);
  useTop(path);
  const leave = useMutation({
    mutationFn: () => call("DELETE", "/api/v1/session"),
    onSuccess: () => {
      forget(queries);
      location.assign("/");
    },
  });
  return (
    <Page
      isManagedSidebar
      isContentFilled
      mainContainerId="main"
      skipToContent={<SkipToContent href="#main">Skip to content</SkipToContent>}
      masthead={<Head user={session.user} leave={() => leave.mutate()} />}
      sidebar={
        <PageSidebar>
          <PageSidebarBody>
            <Nav aria-label="Screens">
              <NavList>
                <NavItem isActive={/^\/(tenants|new)/.test(path)}><Link to="/tenants">Tenants</Link></NavItem>
                <NavItem isActive={path.startsWith("/regions")}><Link to="/regions">Regions</Link></NavItem>
              </NavList>
            </Nav>
          </PageSidebarBody>
        </PageSidebar>
      }
    >
      <Ending />
      {leave.isError && (
        <PageSection>
          <Alert isInline variant="danger" component="p" title="You are still signed in">{leave.error.message}</Alert>
        </PageSection>
      )}
      {!up && (
        <PageSection>
          <Alert isInline variant="warning" component="p" title="The console's server does not tell of changes; the page asks every 10 seconds." />
        </PageSection>
      )}
      <Outlet />
    </Page>
  );
}

/** useTitle names the tab, and what a screen reader says of a new place. */
function useTitle(path: string) {
  useEffect(() => {
    const [screen, slug, tab] = path.split("/").filter(Boolean);
    document.title = [slug, tab ?? screen, "SocTalk Ingress"].filter(Boolean).join(", ");
  }, [path]);
}

/** useTop begins a new screen at its top, for the eye and for the keyboard. Tabs of one tenant are no new screen. */
function useTop(path: string) {
  const screen = path.split("/").slice(0, 3).join("/");
  const last = useRef(screen);
  useEffect(() => {
    if (last.current === screen) return;
    last.current = screen;
    const main = document.getElementById("main");
    main?.scrollTo({ top: 0 });
    main?.focus({ preventScroll: true });
  }, [screen]);
}

function Head({ user, leave }: { user: string; leave: () => void }) {
  const [dark, flip] = useTheme();
  return (
    <Masthead display={{ default: "inline" }}>
      <MastheadMain>
        <MastheadToggle><PageToggleButton variant="plain" aria-label="Navigation"><BarsIcon /></PageToggleButton></MastheadToggle>
        <MastheadBrand><Link to="/tenants" className="brand"><img src="/icon.svg" alt="" width="24" height="24" /><span>SocTalk Ingress</span></Link></MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <div className="person">
          <span className="user" title={user}>{user}</span>
          <Button variant="plain" aria-label={dark ? "Light theme" : "Dark theme"} icon={dark ? <SunIcon /> : <MoonIcon />} onClick={flip} />
          <Button variant="secondary" onClick={leave}>Sign out</Button>
        </div>
      </MastheadContent>
    </Masthead>
  );
}
