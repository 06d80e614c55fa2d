import { Fragment } from "react";

/** Breakable is a name that may be broken where its parts meet, rather than anywhere. */
export function Breakable({ text }: { text: string }) {
  return text.split(/(?<=[.@:_])/).map((part, i) => <Fragment key={i}>{i > 0 && <wbr />}{part}</Fragment>);
}
