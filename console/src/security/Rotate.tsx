import { Content, FormGroup, FormSelect, FormSelectOption } from "@patternfly/react-core";
import { useState } from "react";
import { Ask } from "../parts/Ask";

/** Rotate asks how long the old secret still counts. */
export function Rotate({ close, rotate }: { close: () => void; rotate: (overlap: string) => Promise<void> }) {
  const [overlap, setOverlap] = useState("");
  return (
    <Ask title="Replace the enrollment secret?" verb="Rotate" first="overlap" close={close} act={() => rotate(overlap)}>
      <Content component="p">Agents that are enrolled do not notice. Kits, images and deployment tools with the old secret must be changed.</Content>
      <FormGroup label="The old secret still counts for" fieldId="overlap">
        <FormSelect id="overlap" value={overlap} onChange={(_, value) => setOverlap(value)}>
          <FormSelectOption value="" label="the tenant's own time" /><FormSelectOption value="0" label="no time: it leaked" />
          <FormSelectOption value="1h" label="1 hour" /><FormSelectOption value="24h" label="24 hours" />
        </FormSelect>
      </FormGroup>
    </Ask>
  );
}
