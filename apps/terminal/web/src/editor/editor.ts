/** The text editor. Loaded when the first file is opened. */

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  rectangularSelection,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { OpenDocument } from "./document.ts";
import { languageOf } from "./language.ts";

const colours = HighlightStyle.define([
  { tag: [tags.comment, tags.meta], color: "var(--text-3)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--ansi-magenta)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--ansi-green)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--ansi-yellow)" },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.propertyName)],
    color: "var(--ansi-blue)",
  },
  { tag: [tags.typeName, tags.className, tags.tagName], color: "var(--ansi-cyan)" },
  { tag: [tags.propertyName, tags.attributeName], color: "var(--ansi-blue)" },
  { tag: [tags.heading, tags.strong], fontWeight: "600" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: [tags.link, tags.url], color: "var(--accent)", textDecoration: "underline" },
  { tag: tags.invalid, color: "var(--fail)" },
]);

const looks = EditorView.theme({
  "&": {
    height: "100%",
    color: "var(--text)",
    backgroundColor: "var(--surface)",
    fontSize: "13px",
  },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-content": { padding: "6px 0", caretColor: "var(--accent)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--text-3)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "40px", padding: "0 8px 0 12px" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--hover) 55%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    {
      backgroundColor: "var(--selection)",
    },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
    backgroundColor: "var(--chosen)",
    outline: "1px solid var(--line-strong)",
  },
  ".cm-selectionMatch": { backgroundColor: "var(--chosen)" },
  ".cm-searchMatch": { backgroundColor: "var(--wait-soft)", outline: "1px solid var(--wait)" },
  ".cm-panels": {
    backgroundColor: "var(--page)",
    color: "var(--text)",
    borderColor: "var(--line)",
  },
  ".cm-textfield": {
    backgroundColor: "var(--surface)",
    border: "1px solid var(--line-strong)",
    borderRadius: "4px",
  },
  ".cm-button": {
    background: "var(--raised)",
    border: "1px solid var(--line-strong)",
    borderRadius: "4px",
  },
  ".cm-foldPlaceholder": {
    backgroundColor: "var(--sunken)",
    border: "none",
    color: "var(--text-2)",
    padding: "0 6px",
  },
});

export class Editor {
  readonly #view: EditorView;
  readonly #states = new Map<OpenDocument, { state: EditorState; version: number }>();
  #shown: { readonly document: OpenDocument; readonly version: number } | undefined;

  constructor(
    host: HTMLElement,
    readonly canWrite: boolean,
  ) {
    this.#view = new EditorView({ parent: host });
  }

  /** Show a document as it was left: its place, its selection, its undo. */
  show(document: OpenDocument): void {
    this.#keep();
    const version = document.version.peek();
    const kept = this.#states.get(document);
    this.#shown = { document, version };
    if (kept?.version === version) {
      this.#view.setState(kept.state);
      return;
    }
    const language = new Compartment();
    this.#view.setState(this.#fresh(document, language));
    void this.#colour(document, language);
  }

  /** Mark what differs from `theirs`, each difference with a way to take it; nothing unmarks. */
  async compare(theirs: string | undefined): Promise<void> {
    if (theirs === undefined) {
      this.#view.dispatch({ effects: COMPARISON.reconfigure([]) });
      return;
    }
    const { unifiedMergeView } = await import("@codemirror/merge");
    const extension = unifiedMergeView({ original: theirs, mergeControls: mergeControl });
    this.#view.dispatch({ effects: COMPARISON.reconfigure(extension) });
  }

  forget(document: OpenDocument): void {
    this.#states.delete(document);
  }

  focus(): void {
    this.#view.focus();
  }

  dispose(): void {
    this.#view.destroy();
  }

  #keep(): void {
    if (!this.#shown) return;
    const { document, version } = this.#shown;
    this.#states.set(document, { state: this.#view.state, version });
  }

  #fresh(document: OpenDocument, language: Compartment): EditorState {
    const watch = EditorView.updateListener.of((update) => {
      if (update.docChanged) document.text.value = update.state.doc.toString();
    });
    return EditorState.create({
      doc: document.text.peek(),
      extensions: [
        BASICS,
        language.of([]),
        COMPARISON.of([]),
        watch,
        EditorState.readOnly.of(!this.canWrite),
        EditorState.lineSeparator.of(document.text.peek().includes("\r\n") ? "\r\n" : "\n"),
        EditorView.contentAttributes.of({ "aria-label": `Text of ${document.path}` }),
      ],
    });
  }

  async #colour(document: OpenDocument, language: Compartment): Promise<void> {
    const extension = await languageOf(document.path)?.();
    if (!extension || this.#shown?.document !== document) return;
    this.#view.dispatch({ effects: language.reconfigure(extension) });
  }
}

/** The library speaks of accepting the edited text; a person chooses between mine and theirs. */
function mergeControl(type: "accept" | "reject", run: (event: MouseEvent) => void): HTMLElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "merge-choice";
  button.textContent = type === "accept" ? "Mine" : "Theirs";
  button.onmousedown = run;
  return button;
}

/** Empty but while a document is compared with its stored version. */
const COMPARISON = new Compartment();

const BASICS: Extension = [
  lineNumbers(),
  highlightActiveLineGutter(),
  highlightSpecialChars(),
  history(),
  foldGutter(),
  drawSelection(),
  indentOnInput(),
  bracketMatching(),
  rectangularSelection(),
  highlightActiveLine(),
  highlightSelectionMatches(),
  search({ top: true }),
  syntaxHighlighting(colours),
  looks,
  keymap.of([...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, indentWithTab]),
];
