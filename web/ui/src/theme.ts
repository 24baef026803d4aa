/** Light or dark: follows the system until a person chooses, and remembers the choice. */

import { computed, effect, signal } from "@preact/signals";

export type ThemeChoice = "system" | "light" | "dark";
export type Theme = "light" | "dark";

const STORAGE_KEY = "tidegate.theme";
const ORDER: readonly ThemeChoice[] = ["system", "light", "dark"];

/** What the person chose, `system` if nothing. */
export const themeChoice = signal<ThemeChoice>("system");
const systemIsDark = signal(false);

/** The theme in force. */
export const theme = computed<Theme>(() => resolveTheme(themeChoice.value, systemIsDark.value));

export function resolveTheme(choice: ThemeChoice, isSystemDark: boolean): Theme {
  if (choice !== "system") return choice;
  return isSystemDark ? "dark" : "light";
}

/** The choice after this one, as the switch walks through them. */
export function nextThemeChoice(choice: ThemeChoice): ThemeChoice {
  return ORDER[(ORDER.indexOf(choice) + 1) % ORDER.length] ?? "system";
}

/** Apply the remembered theme and keep the document following it; call once per page. */
export function startTheme(): void {
  const query = matchMedia("(prefers-color-scheme: dark)");
  systemIsDark.value = query.matches;
  query.addEventListener("change", () => {
    systemIsDark.value = query.matches;
  });
  themeChoice.value = remembered();
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}

export function chooseTheme(choice: ThemeChoice): void {
  themeChoice.value = choice;
  try {
    localStorage.setItem(STORAGE_KEY, choice);
  } catch {
    // A browser may refuse storage; the choice then lasts as long as the page.
  }
}

function remembered(): ThemeChoice {
  try {
    return ORDER.find((choice) => choice === localStorage.getItem(STORAGE_KEY)) ?? "system";
  } catch {
    return "system";
  }
}
