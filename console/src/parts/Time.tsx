import { useCallback, useRef, useSyncExternalStore } from "react";
import { ago, until } from "./words";

// One timer serves all that show a time: a long table has hundreds.
const hearers = new Map<number, Set<() => void>>();

function listen(every: number, hear: () => void): () => void {
  let all = hearers.get(every);
  if (!all) {
    const begun = (all = new Set());
    hearers.set(every, begun);
    const timer = setInterval(() => {
      if (begun.size > 0) return begun.forEach((each) => each());
      clearInterval(timer);
      hearers.delete(every);
    }, every);
  }
  all.add(hear);
  return () => void all.delete(hear);
}

/** useNow is the time, a few times a minute unless asked for more. */
export function useNow(every = 5_000): number {
  const now = useRef(Date.now());
  const subscribe = useCallback((hear: () => void) => listen(every, () => {
    now.current = Date.now();
    hear();
  }), [every]);
  return useSyncExternalStore(subscribe, () => now.current);
}

export function Ago({ at }: { at?: string }) {
  const now = useNow();
  return at ? <time dateTime={at} title={at}>{ago(at, now)}</time> : <>–</>;
}

export function Until({ at }: { at?: string }) {
  const now = useNow();
  return at ? <time dateTime={at} title={at}>{until(at, now)}</time> : <>–</>;
}
