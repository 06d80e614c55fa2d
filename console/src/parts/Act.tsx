import { Button, type ButtonProps, Tooltip } from "@patternfly/react-core";
import type { Permission } from "../api/queries";

/** Act is a button for what may be forbidden: then it stays in reach of the keyboard, and says what is missing. */
export function Act({ may, children, ...button }: ButtonProps & { may: Permission }) {
  if (may.allowed) return <Button {...button}>{children}</Button>;
  return <Tooltip content={may.lacking} appendTo={() => document.getElementById("main") ?? document.body}><Button {...button} isDisabled={false} isAriaDisabled onClick={undefined}>{children}</Button></Tooltip>;
}
