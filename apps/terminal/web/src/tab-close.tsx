import { Icon } from "@tidegate/ui";

/** The cross on a tab, for the pointer. A list of tabs may hold only tabs: keys use Delete. */
export function TabClose({ title, onClose }: { title: string; onClose: () => void }) {
  return (
    <span class="tab-close" aria-hidden="true" title={`Close ${title}`} onClick={onClose}>
      <Icon name="close" />
    </span>
  );
}
