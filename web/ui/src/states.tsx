/** The designed states of a view: empty, loading, failed and forbidden. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CopyButton } from "./copy-button.tsx";
import { Icon, type IconName } from "./icon.tsx";

interface EmptyProps {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
  actions?: ComponentChildren;
}

/** What this is and how to fill it. */
export function Empty({ icon, title, children, actions }: EmptyProps) {
  return (
    <div class="state">
      <span class="state-icon">
        <Icon name={icon} />
      </span>
      <h2>{title}</h2>
      {children && <div class="state-text">{children}</div>}
      {actions && <div class="state-actions">{actions}</div>}
    </div>
  );
}

interface FailedProps {
  title: string;
  /** What to do about it. */
  advice: ComponentChildren;
  /** Facts worth copying into a report. */
  detail: string;
  onRetry?: () => void;
}

/** What happened, what to do, and detail that can be copied. */
export function Failed({ title, advice, detail, onRetry }: FailedProps) {
  return (
    <div class="state" role="alert">
      <span class="state-icon state-icon-fail">
        <Icon name="conflict" />
      </span>
      <h2>{title}</h2>
      <div class="state-text">{advice}</div>
      <div class="state-detail">
        <pre class="detail">{detail}</pre>
        <CopyButton text={`${title}\n${detail}`} label="Copy detail" />
      </div>
      {onRetry && (
        <div class="state-actions">
          <button type="button" class="button" onClick={onRetry}>
            <Icon name="refresh" /> Try again
          </button>
        </div>
      )}
    </div>
  );
}

/** Grey lines where rows will be; nothing at all for the first 150 ms, so a fast answer never blinks. */
export function Skeleton({ rows, label }: { rows: number; label: string }) {
  const isShown = useAfter(150);
  return (
    <div class="skeleton" role="status" aria-label={label}>
      {isShown &&
        Array.from({ length: rows }, (_, row) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike.
          <span key={row} class={`skeleton-row skeleton-row-${row % 3}`} />
        ))}
    </div>
  );
}

function useAfter(milliseconds: number): boolean {
  const [isPast, setPast] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setPast(true), milliseconds);
    return () => clearTimeout(timer);
  }, [milliseconds]);
  return isPast;
}
