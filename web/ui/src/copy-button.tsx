import { useEffect, useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

/** Copies `text`; says so for a moment. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  const said = isCopied ? "Copied" : label;
  return (
    <button type="button" class="icon-button" aria-label={said} title={said} onClick={copy}>
      <Icon name={isCopied ? "check" : "copy"} />
    </button>
  );
}
