import { ClipboardCopyButton } from "@patternfly/react-core";
import { useId, useRef, useState } from "react";

type State = "" | "Copied" | "Selected: copy it with Ctrl+C or Command+C";

/** Copy shows what is to be run or pasted, and copies it whole. Where the browser refuses that, the text is selected. */
export function Copy({ text, name }: { text: string; name: string }) {
  const id = useId();
  const shown = useRef<HTMLPreElement>(null);
  const [state, setState] = useState<State>("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setState("Copied");
    } catch {
      getSelection()?.selectAllChildren(shown.current!);
      setState("Selected: copy it with Ctrl+C or Command+C");
    }
  };
  return (
    <div className="copy">
      <pre id={id} tabIndex={0} ref={shown}>{text}</pre>
      <ClipboardCopyButton id={id + "copy"} textId={id} aria-label={"Copy " + name} onClick={() => void copy()} onTooltipHidden={() => setState("")} variant="plain">
        {state || "Copy"}
      </ClipboardCopyButton>
      <span className="unseen" role="status">{state}</span>
    </div>
  );
}
