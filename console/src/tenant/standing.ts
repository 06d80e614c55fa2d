// How a tenant stands. Pure.
import type { Hop, Tenant } from "../api/types";

/** isSuspended is true for a tenant whose way in is closed on purpose. One that only a person can help is called broken all the same. */
export function isSuspended(tenant: Pick<Tenant, "state" | "suspension">): boolean {
  return tenant.state === "suspended" || (tenant.state === "broken" && tenant.suspension !== undefined);
}

/** hopInTheWay is the first hop a person must mend, or else the first that is waited for: what comes after it may only be waiting for it. */
export function hopInTheWay({ hops }: Pick<Tenant, "hops">): Hop | undefined {
  return hops.find((hop) => hop.state === "bad") ?? hops.find((hop) => hop.state === "waiting");
}
