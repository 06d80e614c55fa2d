// How times, counts and states are said. Pure; the clock is an argument.

const units: [number, string][] = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];

/** span says how long that is, in its largest unit: 3 d, 5 h, 40 s. */
export function span(seconds: number): string {
  for (const [size, name] of units) if (seconds >= size) return `${Math.floor(seconds / size)} ${name}`;
  return "0 s";
}

export function ago(at: string | undefined, now: number): string {
  return at ? span(Math.max(0, (now - Date.parse(at)) / 1000)) + " ago" : "never";
}

/** until says how long is left, or that it is over. */
export function until(at: string, now: number): string {
  const left = (Date.parse(at) - now) / 1000;
  return left > 0 ? "in " + span(left) : span(-left) + " ago";
}

/** plural of a counted thing: 1 agent, 2 agents. */
export function count(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? "" : "s"}`;
}

/** apart splits CamelCase as conditions and steps are written: "CertificateReady" is "Certificate ready". */
export function apart(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, (_, end, start, last) => (last ? last + " " : end + " " + start)).split(" ");
  return words.map((word, i) => (i === 0 || /^[A-Z]{2,}/.test(word) ? word : word.toLowerCase())).join(" ");
}

/** list splits what somebody typed with commas, spaces or lines between. */
export function list(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== "");
}

/** pieces takes addresses out of a text; a full stop or comma after one is not its own. */
export function pieces(text: string): string[] {
  return text.split(/(https:\/\/[^\s"']*[^\s"'.,;:)])/).filter((piece) => piece !== "");
}

// What is searched in a row, made once for each answer of the server: a filter is
// tried at each key that is pressed.
const texts = new WeakMap<object, string>();

/** having keeps the rows that have every word somewhere. */
export function having<T extends object>(rows: T[], text: string, said: (row: T) => (string | undefined)[]): T[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    let all = texts.get(row);
    if (all === undefined) texts.set(row, (all = said(row).join(" ").toLowerCase()));
    return words.every((word) => all.includes(word));
  });
}

export const perPage = 50;

/** paged is the part of the rows on a page, and which page that is: there may be fewer rows than a moment ago. */
export function paged<T>(rows: T[], page: number): { page: number; rows: T[] } {
  const at = Math.min(page, Math.max(1, Math.ceil(rows.length / perPage)));
  return { page: at, rows: rows.slice((at - 1) * perPage, at * perPage) };
}
