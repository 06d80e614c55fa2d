// The form of a new token as data. Pure.
import type { TokenRequest } from "../api/types";
import { list } from "../parts/words";

export interface TokenDraft { name: string; expires: string; maxUses: string; group: string; names: string; sources: string }
export const blank: TokenDraft = { name: "", expires: "72h", maxUses: "", group: "", names: "", sources: "" };

export function tokenRequest(draft: TokenDraft): TokenRequest {
  const asked: TokenRequest = { name: draft.name.trim() };
  for (const key of ["expires", "group", "names"] as const) if (draft[key].trim() !== "") asked[key] = draft[key].trim();
  if (draft.maxUses !== "") asked.maxUses = Number(draft.maxUses);
  const sources = list(draft.sources);
  if (sources.length > 0) asked.sources = sources;
  return asked;
}
