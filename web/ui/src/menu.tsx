import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icon.tsx";

export interface MenuItem {
  readonly label: string;
  readonly icon?: IconName;
  readonly keys?: string;
  readonly isDangerous?: boolean;
  readonly run: () => void;
}

export type MenuAnchor =
  | { readonly kind: "element"; readonly element: HTMLElement }
  | { readonly kind: "point"; readonly x: number; readonly y: number };

interface MenuProps {
  label: string;
  items: readonly MenuItem[];
  anchor: MenuAnchor;
  onClose: () => void;
}

/** A menu at a button or at the pointer; arrows move, Enter runs, Escape closes. */
export function Menu({ label, items, anchor, onClose }: MenuProps) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    element.showPopover();
    place(element, anchor);
    element.querySelector("button")?.focus();
  }, [anchor]);
  const closeAndReturn = () => {
    onClose();
    if (anchor.kind === "element") anchor.element.focus();
  };
  return (
    <div
      ref={list}
      class="menu"
      role="menu"
      tabIndex={-1}
      aria-label={label}
      popover="auto"
      onToggle={(event) => {
        if (event.newState === "closed") onClose();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") closeAndReturn();
        if (moveFocus(event.currentTarget, event.key)) event.preventDefault();
        event.stopPropagation();
      }}
    >
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          class={item.isDangerous ? "menu-item menu-item-danger" : "menu-item"}
          onClick={() => {
            closeAndReturn();
            item.run();
          }}
        >
          {item.icon ? <Icon name={item.icon} /> : <span class="icon" />}
          <span class="menu-label">{item.label}</span>
          {item.keys && <kbd>{item.keys}</kbd>}
        </button>
      ))}
    </div>
  );
}

interface MenuButtonProps {
  label: string;
  items: readonly MenuItem[];
  icon?: IconName;
}

/** A button that opens a menu below itself. */
export function MenuButton({ label, items, icon = "more" }: MenuButtonProps) {
  const button = useRef<HTMLButtonElement>(null);
  const [anchor, setAnchor] = useState<MenuAnchor>();
  const id = useId();
  return (
    <>
      <button
        ref={button}
        id={id}
        type="button"
        class="icon-button"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={anchor !== undefined}
        title={label}
        onClick={(event) => {
          event.stopPropagation();
          if (button.current) setAnchor({ kind: "element", element: button.current });
        }}
      >
        <Icon name={icon} />
      </button>
      {anchor && (
        <Menu label={label} items={items} anchor={anchor} onClose={() => setAnchor(undefined)} />
      )}
    </>
  );
}

/** Open a menu by the right button: returns the handler and the menu, if it is open. */
export function useContextMenu(label: string, items: readonly MenuItem[]) {
  const [anchor, setAnchor] = useState<MenuAnchor>();
  useEffect(() => {
    if (items.length === 0) setAnchor(undefined);
  }, [items.length]);
  const open = (event: MouseEvent) => {
    if (items.length === 0) return;
    event.preventDefault();
    setAnchor({ kind: "point", x: event.clientX, y: event.clientY });
  };
  const menu = anchor && (
    <Menu label={label} items={items} anchor={anchor} onClose={() => setAnchor(undefined)} />
  );
  return { open, menu };
}

const EDGE = 8;

function place(element: HTMLElement, anchor: MenuAnchor): void {
  const box = element.getBoundingClientRect();
  const from =
    anchor.kind === "point"
      ? { left: anchor.x, top: anchor.y, above: anchor.y }
      : below(anchor.element.getBoundingClientRect(), box.width);
  const left = Math.max(EDGE, Math.min(from.left, innerWidth - box.width - EDGE));
  const fits = from.top + box.height + EDGE <= innerHeight;
  const top = fits ? from.top : Math.max(EDGE, from.above - box.height);
  element.style.left = `${left}px`;
  element.style.top = `${top}px`;
}

function below(target: DOMRect, width: number) {
  return { left: target.right - width, top: target.bottom + 4, above: target.top - 4 };
}

function moveFocus(list: HTMLElement, key: string): boolean {
  const buttons = [...list.querySelectorAll("button")];
  const at = buttons.findIndex((button) => button.matches(":focus"));
  const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[key];
  if (target === undefined) return false;
  buttons.at(target % buttons.length)?.focus();
  return true;
}
