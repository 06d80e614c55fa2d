import { Content } from "@patternfly/react-core";
import { type Span, blocks } from "./markdown";

/** Prose shows the reference's own words. */
export function Prose({ text }: { text: string }) {
  return (
    <Content>
      {blocks(text).map((block, i) => {
        if (block.kind === "code") return <pre key={i} tabIndex={0}>{block.text}</pre>;
        return block.kind === "item" ? <ul key={i}><li><Words of={block.spans} /></li></ul> : <p key={i}><Words of={block.spans} /></p>;
      })}
    </Content>
  );
}

function Words({ of }: { of: Span[] }) {
  return of.map((span, i) =>
    span.kind === "code" ? <code key={i}>{span.text}</code> : span.kind === "strong" ? <strong key={i}>{span.text}</strong> : span.text,
  );
}
