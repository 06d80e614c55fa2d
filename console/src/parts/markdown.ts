// The reference explains reasons in a little Markdown: paragraphs, lists, code,
// links. Read into data here, shown by Prose; nothing is ever set as HTML.

export type Span = { kind: "text" | "code" | "strong"; text: string };
export type Block = { kind: "paragraph" | "item"; spans: Span[] } | { kind: "code"; text: string };

export function blocks(markdown: string): Block[] {
  const found: Block[] = [];
  let open: { kind: "paragraph" | "item"; lines: string[] } | undefined;
  const close = () => {
    if (open) found.push({ kind: open.kind, spans: spans(open.lines.join(" ")) });
    open = undefined;
  };
  let code: string[] | undefined;
  for (const line of markdown.split("\n")) {
    if (line.trimStart().startsWith("```")) {
      if (code) found.push({ kind: "code", text: code.join("\n") });
      close();
      code = code ? undefined : [];
    } else if (code) code.push(line);
    else if (line.trim() === "") close();
    else if (/^\s*([-*]|\d+\.) /.test(line)) {
      close();
      open = { kind: "item", lines: [line.replace(/^\s*([-*]|\d+\.) /, "")] };
    } else {
      open ??= { kind: "paragraph", lines: [] };
      open.lines.push(line.trim());
    }
  }
  close();
  return found;
}

/** spans of a line. A link becomes its text: its target is a file of the repository, which is not here. */
export function spans(line: string): Span[] {
  const found: Span[] = [];
  let rest = line.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1");
  while (rest !== "") {
    const match = /`([^`]+)`|\*\*([^*]+)\*\*/.exec(rest);
    if (!match) {
      found.push({ kind: "text", text: rest });
      break;
    }
    if (match.index > 0) found.push({ kind: "text", text: rest.slice(0, match.index) });
    found.push(match[1] !== undefined ? { kind: "code", text: match[1] } : { kind: "strong", text: match[2]! });
    rest = rest.slice(match.index + match[0].length);
  }
  return found;
}
