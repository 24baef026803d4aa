/** The language of a file by its name; each is loaded when it is first needed. */

import { StreamLanguage } from "@codemirror/language";
import type { Extension } from "@codemirror/state";

type Loader = () => Promise<Extension>;

const script = (options: { jsx?: boolean; typescript?: boolean }): Loader => {
  return async () => (await import("@codemirror/lang-javascript")).javascript(options);
};

const shell: Loader = async () =>
  StreamLanguage.define((await import("@codemirror/legacy-modes/mode/shell")).shell);

const dockerfile: Loader = async () =>
  StreamLanguage.define((await import("@codemirror/legacy-modes/mode/dockerfile")).dockerFile);

const toml: Loader = async () =>
  StreamLanguage.define((await import("@codemirror/legacy-modes/mode/toml")).toml);

const BY_EXTENSION: Readonly<Record<string, Loader>> = {
  cjs: script({}),
  css: async () => (await import("@codemirror/lang-css")).css(),
  htm: async () => (await import("@codemirror/lang-html")).html(),
  html: async () => (await import("@codemirror/lang-html")).html(),
  js: script({ jsx: true }),
  json: async () => (await import("@codemirror/lang-json")).json(),
  jsx: script({ jsx: true }),
  md: async () => (await import("@codemirror/lang-markdown")).markdown(),
  mjs: script({}),
  py: async () => (await import("@codemirror/lang-python")).python(),
  sh: shell,
  bash: shell,
  toml,
  ts: script({ typescript: true }),
  tsx: script({ jsx: true, typescript: true }),
  yaml: async () => (await import("@codemirror/lang-yaml")).yaml(),
  yml: async () => (await import("@codemirror/lang-yaml")).yaml(),
};

const BY_NAME: Readonly<Record<string, Loader>> = {
  ".bashrc": shell,
  ".profile": shell,
  dockerfile,
};

/** Nothing for a file that is plain text. */
export function languageOf(path: string): Loader | undefined {
  const name = (path.split("/").at(-1) ?? "").toLowerCase();
  const extension = name.split(".").at(-1) ?? "";
  return (
    BY_NAME[name] ?? (Object.hasOwn(BY_EXTENSION, extension) ? BY_EXTENSION[extension] : undefined)
  );
}
