// The one place that speaks HTTP with the server.
import type { Problem } from "./types";

/** An answer that is none: what went wrong, which field, and what to do, in the server's words. */
export class Refusal extends Error {
  constructor(readonly status: number, readonly problem: Problem) {
    super(problem.error);
  }
}

/** Who causes a request. What the page asks by itself carries a header, and does not keep the session from falling idle. */
export const byPerson = "person", byPage = "page";
export const backgroundHeader = "Console-Background";

/** call asks and returns the answer; a problem is thrown as a Refusal. A GET is the page's own doing unless something else is said. */
export async function call<T>(method: string, path: string, body?: unknown, cause = method === "GET" ? byPage : byPerson): Promise<T> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (cause === byPage) headers[backgroundHeader] = "1";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new Refusal(0, { error: "the console's server does not answer", next: "what is shown may be old; it is asked again by itself" });
  }
  const text = await response.text();
  if (!response.ok) throw new Refusal(response.status, problemOf(response.status, text));
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** problemOf reads a refusal; a proxy in between may answer something else than JSON. */
export function problemOf(status: number, text: string): Problem {
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read === "object" && read !== null && "error" in read && typeof read.error === "string") return read as Problem;
  } catch {
    // falls through: it was not ours
  }
  return { error: `the server answered ${status} and did not say why`, next: "something between here and the console answers in its place" };
}

/** tenantPath is the API's address of a tenant and what belongs to it. */
export function tenantPath(slug: string, ...rest: string[]): string {
  return ["/api/v1/tenants", encodeURIComponent(slug), ...rest.map(encodeURIComponent)].join("/");
}
