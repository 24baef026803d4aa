/** Tokens and components every Tidegate page shares. */

export * from "./connection-bar.tsx";
export * from "./copy-button.tsx";
export * from "./dialog.tsx";
export * from "./icon.tsx";
export * from "./key-help.tsx";
export * from "./keys.ts";
export * from "./menu.tsx";
export * from "./now.ts";
export * from "./relative-time.ts";
export * from "./split.tsx";
export * from "./states.tsx";
export * from "./theme.ts";
export * from "./theme-switch.tsx";
export * from "./time.tsx";
export * from "./toast.ts";
export * from "./toasts.tsx";
