/** One ticking clock for every relative time on the page; it stops while nothing shows one. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const TICK = 1000;

const now = signal(Date.now());
let watchers = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** The current time in milliseconds; the component renders again each second while `isTicking`. */
export function useNow(isTicking = true): number {
  useEffect(() => (isTicking ? watch() : undefined), [isTicking]);
  return isTicking ? now.value : now.peek();
}

function watch(): () => void {
  watchers += 1;
  if (watchers === 1) {
    now.value = Date.now();
    timer = setInterval(() => {
      now.value = Date.now();
    }, TICK);
  }
  return () => {
    watchers -= 1;
    if (watchers === 0) clearInterval(timer);
  };
}
