/** Whether the page is too narrow for panes side by side. */

import { signal } from "@preact/signals";

const query = matchMedia("(max-width: 719px)");

export const isNarrow = signal(query.matches);

query.addEventListener("change", () => {
  isNarrow.value = query.matches;
});
