import type { Tenant } from "../api/types";

/** isSuspended is true for a tenant whose way in is closed on purpose. One that only a person can help is called broken all the same. */
export function isSuspended(tenant: Pick<Tenant, "state" | "suspension">): boolean {
  return tenant.state === "suspended" || (tenant.state === "broken" && tenant.suspension !== undefined);
}
