import { DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm } from "@patternfly/react-core";
import type { ReactNode } from "react";
import { Breakable } from "./Breakable";

/** Facts is a list of names and values; what has no value is not shown. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <DescriptionList isCompact className="gap-below" columnModifier={{ default: "1Col", md: "2Col", xl: "3Col" }}>
      {of.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => (
        <DescriptionListGroup key={name}>
          <DescriptionListTerm>{name}</DescriptionListTerm>
          <DescriptionListDescription className="message">{typeof value === "string" ? <Breakable text={value} /> : value}</DescriptionListDescription>
        </DescriptionListGroup>
      ))}
    </DescriptionList>
  );
}
