import type { ThProps } from "@patternfly/react-table";

/** wide is a column that a tablet has no room for. On a phone each row is a card, which has. */
export const wide: ThProps["visibility"] = ["hiddenOnMd", "visibleOnLg"];
