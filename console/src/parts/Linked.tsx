import { pieces } from "./words";

/** Linked shows a text whose addresses lead there. */
export function Linked({ text }: { text: string }) {
  return <span className="message">{pieces(text).map((piece, i) => (piece.startsWith("https://") ? <a key={i} href={piece} target="_blank" rel="noreferrer">{piece}</a> : piece))}</span>;
}
