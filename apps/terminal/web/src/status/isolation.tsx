import { Dialog, Failed, Icon, Skeleton } from "@tidegate/ui";
import { useEffect, useState } from "preact/hooks";
import { readSession } from "../api/session.ts";
import { told } from "../failure.ts";
import { Resource } from "../remote.ts";
import type { IsolationLayer } from "../wire/session.ts";

/** How commands are kept apart here; says plainly what is missing. */
export function Isolation({ known }: { known: readonly IsolationLayer[] }) {
  const [isOpen, setOpen] = useState(false);
  const active = known.filter((layer) => layer.active).length;
  return (
    <>
      <button
        type="button"
        class="strip-button"
        title="What keeps commands apart"
        onClick={() => setOpen(true)}
      >
        <Icon name="shield" />
        <span class="strip-word">Isolation</span>
        {known.length > 0 && (
          <span>
            {active}/{known.length}
          </span>
        )}
      </button>
      {isOpen && <IsolationDialog onClose={() => setOpen(false)} />}
    </>
  );
}

/** Asks anew: workers report what they find, and the first may have started after the page. */
function IsolationDialog({ onClose }: { onClose: () => void }) {
  const [report] = useState(
    () => new Resource(async () => (await readSession(undefined)).isolation),
  );
  useEffect(() => void report.load(), [report]);
  const state = report.state.value;
  return (
    <Dialog title="What keeps commands apart" onClose={onClose}>
      {state.kind === "loading" && <Skeleton rows={5} label="Loading" />}
      {state.kind === "failed" && (
        <Failed
          title="The report could not be read"
          advice="Commands are kept apart all the same."
          detail={told(state.error).detail}
          onRetry={() => void report.load()}
        />
      )}
      {state.kind === "ready" && <Layers layers={state.value} />}
    </Dialog>
  );
}

function Layers({ layers }: { layers: readonly IsolationLayer[] }) {
  if (layers.length === 0) {
    return <p class="dialog-text">No worker has reported yet. Run a command, then look again.</p>;
  }
  return (
    <ul class="layers">
      {layers.map((layer) => (
        <li key={layer.layer} class={layer.active ? "layer" : "layer layer-off"}>
          <Icon name={layer.active ? "check" : "close"} />
          <div>
            <strong>{layer.layer}</strong>
            <span class="layer-state">{layer.active ? "active" : "not available"}</span>
            {layer.detail && <p>{layer.detail}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}
