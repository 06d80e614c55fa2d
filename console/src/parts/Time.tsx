import { useEffect, useState } from "react";
import { ago, until } from "./words";

/** useNow is the time, a few times a minute unless asked for more. */
export function useNow(every = 5_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

export function Ago({ at }: { at?: string }) {
  const now = useNow();
  return at ? <time dateTime={at} title={at}>{ago(at, now)}</time> : <>–</>;
}

export function Until({ at }: { at?: string }) {
  const now = useNow();
  return at ? <time dateTime={at} title={at}>{until(at, now)}</time> : <>–</>;
}
