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
