// How long a session still lasts. Pure; the time since the answer is an argument, so
// that a browser whose clock is wrong is told the same.
import type { Session } from "../api/types";

export const warnBefore = 120_000;
export const renewEvery = 60_000;

export interface Outlook {
  /** Milliseconds until the end. */
  left: number;
  /** Whether doing something puts it off. */
  idle: boolean;
}

export function outlook(session: Session, sinceAnswer: number): Outlook {
  const now = Date.parse(session.now) + sinceAnswer;
  const idle = Date.parse(session.idleEnds) - now;
  const always = Date.parse(session.ends) - now;
  return { left: Math.max(0, Math.min(idle, always)), idle: idle < always };
}

/** isInput tells what a person does from what a page, an extension or a key left pressed does. */
export function isInput(event: { isTrusted: boolean; repeat?: boolean }): boolean {
  return event.isTrusted && event.repeat !== true;
}

/** doing says that the person did something, and calls tell at most once a minute. */
export function doing(tell: () => void, clock: () => number): (event: { isTrusted: boolean; repeat?: boolean }) => void {
  let told = -Infinity;
  return (event) => {
    if (!isInput(event) || clock() - told < renewEvery) return;
    told = clock();
    tell();
  };
}
