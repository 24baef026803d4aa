import { Icon, type IconName } from "./icon.tsx";
import { chooseTheme, nextThemeChoice, type ThemeChoice, themeChoice } from "./theme.ts";

const ICONS: Record<ThemeChoice, IconName> = { system: "system", light: "sun", dark: "moon" };

/** One button that walks through system, light and dark. */
export function ThemeSwitch() {
  const choice = themeChoice.value;
  const label = `Theme: ${choice}. Switch to ${nextThemeChoice(choice)}`;
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      title={label}
      onClick={() => chooseTheme(nextThemeChoice(choice))}
    >
      <Icon name={ICONS[choice]} />
    </button>
  );
}
