import { signal } from "@preact/signals";
import { Dialog } from "./dialog.tsx";
import { keyCaps, type Shortcut, shortcuts } from "./keys.ts";

export const isKeyHelpOpen = signal(false);

/** One chord, drawn as key caps. */
export function KeyCaps({ keys }: { keys: string }) {
  return (
    <span class="key-caps">
      {keyCaps(keys).map((cap) => (
        <kbd key={cap}>{cap}</kbd>
      ))}
    </span>
  );
}

/** The overlay that lists every shortcut in force; place it once. */
export function KeyHelp() {
  if (!isKeyHelpOpen.value) return null;
  return (
    <Dialog
      title="Keyboard"
      isWide
      onClose={() => {
        isKeyHelpOpen.value = false;
      }}
    >
      <div class="key-groups">
        {grouped(shortcuts.value.filter((shortcut) => !shortcut.isUnlisted)).map(
          ([group, list]) => (
            <section key={group}>
              <h3>{group}</h3>
              <dl>
                {list.map((shortcut) => (
                  <div key={shortcut.keys} class="key-row">
                    <dt>{shortcut.does}</dt>
                    <dd>
                      <KeyCaps keys={shortcut.keys} />
                    </dd>
                  </div>
                ))}
              </dl>
            </section>
          ),
        )}
      </div>
    </Dialog>
  );
}

function grouped(list: readonly Shortcut[]): [string, Shortcut[]][] {
  const groups = new Map<string, Shortcut[]>();
  for (const shortcut of list) {
    const members = groups.get(shortcut.group) ?? [];
    if (!members.some((other) => other.keys === shortcut.keys)) members.push(shortcut);
    groups.set(shortcut.group, members);
  }
  return [...groups];
}
