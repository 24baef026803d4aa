import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  isWide?: boolean;
}

/** A modal dialog; Escape, the close button and a click outside close it. */
export function Dialog({ title, onClose, children, isWide = false }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  // Before the next key press, which belongs to the dialog already.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the keyboard's way, by onCancel.
    <dialog
      ref={ref}
      class={isWide ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

interface NameDialogProps {
  title: string;
  label: string;
  action: string;
  initial?: string;
  hint?: ComponentChildren;
  /** Select up to here when the dialog opens, as a file's name without its extension. */
  selectUntil?: number;
  /** Why this name cannot be used, or nothing. */
  refuse?: (name: string) => string | undefined;
  onSubmit: (name: string) => Promise<void> | void;
  onClose: () => void;
}

/** Asks for one name; stays open and shows the reason when it is refused. */
export function NameDialog(props: NameDialogProps) {
  const {
    title,
    label,
    action,
    initial = "",
    hint,
    selectUntil,
    refuse,
    onSubmit,
    onClose,
  } = props;
  const [name, setName] = useState(initial);
  const [problem, setProblem] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const problemId = useId();
  useLayoutEffect(() => {
    input.current?.focus();
    input.current?.setSelectionRange(0, selectUntil ?? initial.length);
  }, [initial, selectUntil]);
  const submit = async (event: Event) => {
    event.preventDefault();
    const refusal = name.trim() === "" ? "Type a name." : refuse?.(name.trim());
    setProblem(refusal);
    if (refusal !== undefined || isBusy) return;
    setBusy(true);
    try {
      await onSubmit(name.trim());
      onClose();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        <label class="field">
          <span>{label}</span>
          <input
            ref={input}
            value={name}
            autocomplete="off"
            spellcheck={false}
            aria-invalid={problem !== undefined}
            aria-describedby={problemId}
            onInput={(event) => {
              setName(event.currentTarget.value);
              setProblem(undefined);
            }}
          />
        </label>
        <p id={problemId} class={problem ? "field-problem" : "field-hint"} aria-live="polite">
          {problem ?? hint}
        </p>
        <div class="dialog-foot">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button button-primary" disabled={isBusy}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface TypedNameDialogProps {
  title: string;
  /** What must be typed. */
  name: string;
  action: string;
  children: ComponentChildren;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

/** Asks for the typed name of something that cannot be brought back. */
export function TypedNameDialog(props: TypedNameDialogProps) {
  const { title, name, action, children, onConfirm, onClose } = props;
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => input.current?.focus(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (typed !== name || isBusy) return;
    setBusy(true);
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {children}
        <label class="field">
          <span>
            Type <strong class="typed-name">{name}</strong> to confirm
          </span>
          <input
            ref={input}
            value={typed}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
        <p class="field-problem" aria-live="polite">
          {problem}
        </p>
        <div class="dialog-foot">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button button-danger" disabled={typed !== name || isBusy}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
