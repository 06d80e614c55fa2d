import { ClipboardCopyButton } from "@patternfly/react-core";
import { useId, useState } from "react";

/** Copy shows what is to be run or pasted, and copies it whole. */
export function Copy({ text, name }: { text: string; name: string }) {
  const id = useId();
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <div className="copy">
      <pre id={id} tabIndex={0}>{text}</pre>
      <ClipboardCopyButton id={id + "copy"} textId={id} aria-label={"Copy " + name} onClick={copy} onTooltipHidden={() => setCopied(false)} variant="plain">
        {copied ? "Copied" : "Copy"}
      </ClipboardCopyButton>
      <span className="unseen" role="status">{copied ? "Copied" : ""}</span>
    </div>
  );
}
