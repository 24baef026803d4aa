import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { completeLine } from "../api/terminals.ts";
import { tellFailure } from "../failure.ts";
import { Choices } from "./choices.tsx";
import { CommandLine } from "./command-line.ts";
import { isFocusFree } from "./focus.ts";
import { type Ending, promptPath } from "./progress.ts";
import type { Terminal } from "./terminal.ts";
import { endingWords } from "./transcript.ts";

interface PromptProps {
  terminal: Terminal;
  projectName: string;
  /** Whether lists open above the line, because there is no room below it. */
  opensUp: boolean;
}

/** Where a command is typed, with what stands before it. */
export function Prompt({ terminal, projectName, opensUp }: PromptProps) {
  const [commandLine] = useState(() => commandLineOf(terminal));
  const progress = terminal.progress.value;
  const lines = commandLine.line.value.text.split("\n").length;
  const hint = `prompt-hint-${terminal.id}`;
  return (
    <div class="prompt">
      <PromptHead projectName={projectName} cwd={progress.cwd} ending={progress.ending} />
      <div class="prompt-line">
        <Field terminal={terminal} commandLine={commandLine} hint={hint} />
        <PromptChoices commandLine={commandLine} opensUp={opensUp} />
      </div>
      <span id={hint} class={lines > 1 ? "prompt-hint" : "visually-hidden"}>
        {lines > 1
          ? `Enter runs all ${lines} lines as one command`
          : "Enter runs it, Tab completes, Control R searches earlier commands"}
      </span>
    </div>
  );
}

function commandLineOf(terminal: Terminal): CommandLine {
  const { project } = terminal.place;
  return new CommandLine({
    history: () => terminal.history.value,
    complete: (line, signal) => completeLine(project, terminal.id, line.text, line.cursor, signal),
    run: (command) => terminal.run(command),
    clearScreen: () => terminal.screen?.clear(),
    scrollPages: (pages) => terminal.screen?.scrollPages(pages),
    tell: tellFailure,
  });
}

interface FieldProps {
  terminal: Terminal;
  commandLine: CommandLine;
  hint: string;
}

function Field({ terminal, commandLine, hint }: FieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const line = commandLine.line.value;
  const isFirst = terminal.history.value.length === 0;
  useLayoutEffect(() => {
    const element = field.current;
    if (
      terminal.isShown.peek() &&
      isFocusFree(element?.closest<HTMLElement>(".screen-box") ?? null)
    ) {
      element?.focus();
    }
  }, [terminal]);
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    if (element.value !== line.text) element.value = line.text;
    if (element.selectionStart === element.selectionEnd && element.selectionEnd !== line.cursor) {
      element.setSelectionRange(line.cursor, line.cursor);
    }
    grow(element);
  }, [line]);
  const press = (event: KeyboardEvent) => {
    const element = field.current;
    if (event.isComposing || !element) return;
    const isCopy = event.key === "c" && element.selectionStart !== element.selectionEnd;
    if (isCopy) return;
    commandLine.moved(element.selectionEnd);
    if (commandLine.press(event)) event.preventDefault();
  };
  return (
    <textarea
      ref={field}
      class="prompt-field"
      rows={1}
      aria-label="Command"
      aria-describedby={hint}
      autocapitalize="off"
      autocomplete="off"
      spellcheck={false}
      enterkeyhint="go"
      placeholder={isFirst ? "Type a command, for example npm init -y" : ""}
      data-terminal-prompt
      onKeyDown={press}
      onInput={({ currentTarget }) => {
        commandLine.typed({ text: currentTarget.value, cursor: currentTarget.selectionEnd });
        terminal.screen?.scrollToEnd();
      }}
      onBlur={() => commandLine.closePopup()}
    />
  );
}

function PromptChoices({ commandLine, opensUp }: { commandLine: CommandLine; opensUp: boolean }) {
  const popup = commandLine.popup.value;
  if (popup.kind === "none") return null;
  const isSearch = popup.kind === "search";
  const options = commandLine.choices.value;
  const searchNote =
    options.length === 0
      ? "No earlier command matches"
      : "Type to narrow, Enter takes it to the line";
  return (
    <Choices
      label={isSearch ? "Earlier commands" : "Completions"}
      options={options}
      at={popup.at}
      opensUp={opensUp}
      onChoose={(index) => commandLine.choose(index)}
      {...(isSearch ? { note: searchNote } : {})}
    />
  );
}

interface PromptHeadProps {
  projectName: string;
  cwd: string;
  ending: Ending | undefined;
}

function PromptHead({ projectName, cwd, ending }: PromptHeadProps) {
  const isFailed = ending !== undefined && ending.code !== 0;
  return (
    <span class="prompt-head">
      <span class="prompt-project">{projectName}</span>
      <span class="prompt-path" title={cwd}>
        {promptPath(cwd)}
      </span>
      {isFailed && (
        <span class="prompt-ending" title={ending.reason ?? "How the last command ended"}>
          {ending.signal?.replace(/^SIG/, "") ?? ending.code ?? "✗"}
          <span class="visually-hidden"> was the last exit status: {endingWords(ending)}</span>
        </span>
      )}
      <span class={isFailed ? "prompt-mark prompt-mark-failed" : "prompt-mark"} aria-hidden="true">
        ❯
      </span>
    </span>
  );
}

/** As high as its text. A hidden field has no height to measure and keeps the one it has. */
function grow(field: HTMLTextAreaElement): void {
  if (field.offsetParent === null) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
