// States are said with a word, an icon and a colour: never with colour alone.
import { Label } from "@patternfly/react-core";

type Look = "success" | "danger" | "warning" | "info" | undefined;

const looks: Record<string, Look> = {
  ready: "success", good: "success", active: "success", Active: "success", opened: "success", done: "success", Done: "success", revoked: undefined,
  broken: "danger", bad: "danger", Warning: "warning",
  waiting: "info", now: "info", removing: "info", enrolled: "info", Pending: "info",
  suspended: "warning", disconnected: "warning", never_connected: "warning",
};

const words: Record<string, string> = { good: "in place", bad: "a person must act", never_connected: "never connected", now: "under way" };

export function Status({ state }: { state: string }) {
  const look = looks[state];
  return <Label isCompact status={look} variant={look ? "filled" : "outline"}>{words[state] ?? state}</Label>;
}
