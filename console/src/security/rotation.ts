// The steps of a rotation in their order, and how far it is. Pure.
const steps = ["Generate", "AcceptNew", "Overlap", "RefuseOld", "Done"];

export type Progress = { step: string; state: "done" | "now" | "pending" };

export function rungs(at: string): Progress[] {
  const now = steps.indexOf(at);
  return steps.map((step, i) => ({ step, state: i < now || at === "Done" ? "done" : i === now ? "now" : "pending" }));
}
