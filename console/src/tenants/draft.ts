// The form of a new tenant as data. Pure.
import type { CreateRequest } from "../api/types";
import { list } from "../parts/words";

export interface Draft {
  slug: string; displayName: string; region: string; mode: string; hostname: string;
  allowedNetworks: string; edgePorts: string; version: string; wazuh5Agents: string;
}

export const empty: Draft = { slug: "", displayName: "", region: "", mode: "", hostname: "", allowedNetworks: "", edgePorts: "", version: "", wazuh5Agents: "" };

/** request leaves out what was left empty: that is the Region's to decide. */
export function request(draft: Draft, dryRun: boolean): CreateRequest {
  const asked: CreateRequest = { slug: draft.slug.trim() };
  for (const key of ["displayName", "region", "mode", "hostname", "edgePorts", "version", "wazuh5Agents"] as const) {
    if (draft[key].trim() !== "") asked[key] = draft[key].trim();
  }
  const networks = list(draft.allowedNetworks);
  if (networks.length > 0) asked.allowedNetworks = networks;
  if (dryRun) asked.dryRun = true;
  return asked;
}

const places: [RegExp, keyof Draft][] = [
  [/^(metadata\.name|slug)/, "slug"], [/hostname/i, "hostname"], [/allowed(CIDRs|Networks)/, "allowedNetworks"], [/edgePorts/, "edgePorts"],
  [/version/i, "version"], [/wazuh5Agents/, "wazuh5Agents"], [/mode$/, "mode"], [/region/, "region"], [/displayName/, "displayName"],
];

/** fieldOf finds the input a problem's field is about. */
export function fieldOf(field: string | undefined): keyof Draft | undefined {
  return field === undefined ? undefined : places.find(([pattern]) => pattern.test(field))?.[1];
}
