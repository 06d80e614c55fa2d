import { Button, type ButtonProps, Tooltip } from "@patternfly/react-core";
import type { Permission } from "../api/queries";

/**
 * Act is a button for what may be forbidden: then it stays in reach of the keyboard, and says what is missing.
 * It is the same element before and after the rights are known, so whoever is on it stays there.
 */
export function Act({ may, children, ...button }: ButtonProps & { may: Permission }) {
  const forbidden = may.allowed ? {} : { isDisabled: false, isAriaDisabled: true, onClick: undefined };
  return (
    <Tooltip content={may.lacking} trigger={may.allowed ? "manual" : "mouseenter focus"} appendTo={() => document.getElementById("main") ?? document.body}>
      <Button {...button} {...forbidden}>{children}</Button>
    </Tooltip>
  );
}
