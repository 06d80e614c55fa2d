// What is asked of the server, each under a key whose first two words say kind and
// tenant, so that the stream of changes knows what to ask again (live.ts).
import { QueryClient, queryOptions, useQuery } from "@tanstack/react-query";
import { Refusal, call, tenantPath } from "./client";
import type * as wire from "./types";

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // A refusal stays one however often it is asked; a lost connection is tried again.
      // What failed for want of an answer is asked again as long as somebody looks.
      refetchInterval: ({ state: { error } }) => (error instanceof Refusal && [0, 502, 503].includes(error.status) ? 10_000 : false),
      retry: (failures, error) => failures < 2 && error instanceof Refusal && (error.status === 0 || error.status === 502),
    },
  },
});

const get = <T>(key: string[], path: string) => queryOptions({ queryKey: key, queryFn: () => call<T>("GET", path) });

export const about = () => ({ ...get<wire.About>(["about"], "/api/v1/about"), staleTime: Infinity });
export const session = () => ({ ...get<wire.Session>(["session"], "/api/v1/session"), staleTime: 60_000 });
export const rights = (slug?: string) => ({
  ...get<wire.Rights>(["rights", slug ?? ""], slug ? tenantPath(slug, "rights") : "/api/v1/rights"),
  staleTime: 60_000,
});
export const tenants = () => ({ ...get<wire.Tenants>(["tenants"], "/api/v1/tenants"), refetchInterval: 30_000 });
export const regions = () => get<wire.Regions>(["regions"], "/api/v1/regions");
export const tenant = (slug: string) => get<wire.Tenant>(["tenants", slug], tenantPath(slug));
export const onboarding = (slug: string) => get<wire.Onboarding>(["onboarding", slug], tenantPath(slug, "onboarding"));
export const agents = (slug: string) => get<wire.Agents>(["agents", slug], tenantPath(slug, "agents"));
export const revocations = (slug: string) => get<wire.Revocations>(["revocations", slug], tenantPath(slug, "revocations"));
export const secret = (slug: string) => get<wire.Secret>(["secret", slug], tenantPath(slug, "secret"));
export const tokens = (slug: string) => get<wire.Tokens>(["tokens", slug], tenantPath(slug, "tokens"));
export const handovers = (slug: string) => get<wire.Handovers>(["handovers", slug], tenantPath(slug, "handovers"));
export const events = (slug: string) => ({ ...get<wire.KubeEvents>(["events", slug], tenantPath(slug, "events")), refetchInterval: 10_000 });
export const report = (slug: string) => get<wire.Report>(["reports", slug], tenantPath(slug, "report"));

/** Permission is whether the person may do something, and what they lack. */
export interface Permission { allowed: boolean; lacking: string }

/** usePermission answers for one action; until the server has answered it is allowed, and the server decides. */
export function usePermission(action: string, slug?: string): Permission {
  const { data } = useQuery(rights(slug));
  return permission(data, action);
}

export function permission(known: wire.Rights | undefined, action: string): Permission {
  const right = known?.rights.find((r) => r.action === action);
  if (!right || right.allowed) return { allowed: true, lacking: "" };
  return { allowed: false, lacking: "you may not " + (right.missing ?? [action]).join("; nor ") };
}
