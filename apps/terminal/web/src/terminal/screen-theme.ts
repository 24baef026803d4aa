/** The colours of a screen, read from the style sheet so that they are written down once. */

import type { ISearchDecorationOptions } from "@xterm/addon-search";
import type { ITheme } from "@xterm/xterm";

const ANSI = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

export function screenTheme(): ITheme {
  const colours: Record<string, string> = {
    background: cssValue("--surface"),
    foreground: cssValue("--text"),
    cursor: cssValue("--accent"),
    cursorAccent: cssValue("--surface"),
    selectionBackground: cssValue("--selection"),
    overviewRulerBorder: cssValue("--surface"),
    scrollbarSliderBackground: withAlpha(cssValue("--text-3"), "40"),
    scrollbarSliderHoverBackground: withAlpha(cssValue("--text-3"), "70"),
    scrollbarSliderActiveBackground: withAlpha(cssValue("--text-3"), "90"),
  };
  for (const name of ANSI) {
    colours[name] = cssValue(`--ansi-${name}`);
    colours[`bright${name[0]?.toUpperCase()}${name.slice(1)}`] = cssValue(`--ansi-bright-${name}`);
  }
  return colours;
}

export function searchColours(): ISearchDecorationOptions {
  return {
    matchBackground: cssValue("--wait-soft"),
    matchOverviewRuler: cssValue("--wait"),
    activeMatchBackground: cssValue("--selection"),
    activeMatchBorder: cssValue("--accent"),
    activeMatchColorOverviewRuler: cssValue("--accent"),
  };
}

/** A six-digit hexadecimal colour, made transparent. */
function withAlpha(colour: string, alpha: string): string {
  return `${colour}${alpha}`;
}

export function cssValue(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
