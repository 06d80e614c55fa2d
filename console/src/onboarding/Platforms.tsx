import { Content, Tab, Tabs, TabTitleText } from "@patternfly/react-core";
import { useState } from "react";
import type { Sheet, Step } from "../api/types";
import { Copy } from "../parts/Copy";

/** Platforms shows the commands of one kind of endpoint at a time. */
export function Platforms({ sheet }: { sheet: Sheet }) {
  const [at, setAt] = useState(sheet.platforms[0]?.id);
  return (
    <Tabs aria-label="Platforms" activeKey={at} onSelect={(_, key) => setAt(String(key))} mountOnEnter unmountOnExit isSubtab className="gap-below">
      {sheet.platforms.map((platform) => (
        <Tab key={platform.id} eventKey={platform.id} title={<TabTitleText>{platform.name}</TabTitleText>}>
          {platform.id === at && <div className="tab"><Steps steps={platform.steps} /></div>}
        </Tab>
      ))}
    </Tabs>
  );
}

export function Steps({ steps }: { steps: Step[] }) {
  return steps.map((step) => (
    <div key={step.title + step.shell} className="gap-below">
      <Content component="p"><strong>{step.title}{step.shell === "powershell" && " (PowerShell)"}</strong>{step.remark && <span className="quiet">: {step.remark}</span>}</Content>
      <Copy text={step.run} name={step.title} />
    </div>
  ));
}
