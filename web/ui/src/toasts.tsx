import { useEffect } from "preact/hooks";
import { CopyButton } from "./copy-button.tsx";
import { Icon } from "./icon.tsx";
import { closeToast, type Toast, toasts } from "./toast.ts";

/** Where toasts appear; place it once, at the end of the page. */
export function Toasts() {
  return (
    <section class="toasts" aria-label="Messages" aria-live="polite">
      {toasts.value.map((toast) => (
        <ToastCard key={toast.id} toast={toast} />
      ))}
    </section>
  );
}

function ToastCard({ toast }: { toast: Toast }) {
  const { id, stays, action } = toast;
  useEffect(() => {
    if (!Number.isFinite(stays)) return undefined;
    const timer = setTimeout(() => closeToast(id), stays * 1000);
    return () => clearTimeout(timer);
  }, [id, stays]);
  return (
    <div class={`toast toast-${toast.tone}`} role={toast.tone === "fail" ? "alert" : undefined}>
      <div class="toast-text">
        <p>{toast.text}</p>
        {toast.detail && <pre class="detail">{toast.detail}</pre>}
      </div>
      {toast.detail && <CopyButton text={`${toast.text}\n${toast.detail}`} label="Copy detail" />}
      {action && (
        <button
          type="button"
          class="button button-quiet"
          onClick={() => {
            action.run();
            closeToast(id);
          }}
        >
          {action.label}
        </button>
      )}
      <button type="button" class="icon-button" aria-label="Close" onClick={() => closeToast(id)}>
        <Icon name="close" />
      </button>
    </div>
  );
}
