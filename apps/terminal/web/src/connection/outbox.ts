/**
 * Input on its way to a program: kept until the service has stored it, in order, once.
 *
 * Each entry has a key `{writer}:{seq}`. An entry whose answer was lost is sent again under the
 * same key, and the service stores a key once. Typing while earlier entries wait is joined to the
 * last one that has not left yet.
 */

export type Input =
  | { readonly type: "keys"; readonly data: string }
  | { readonly type: "resize"; readonly cols: number; readonly rows: number }
  | { readonly type: "signal"; readonly signal: "INT" | "TERM" | "KILL" };

/** Resolves once stored; a `RefusedInput` is final, any other failure is tried again. */
export type SendInput = (key: string, input: Input) => Promise<void>;

/** The service will never take this entry. */
export class RefusedInput extends Error {}

export interface OutboxState {
  /** Characters typed but not yet stored. */
  readonly waiting: number;
  /** Characters just refused because they did not fit, until there is other news. */
  readonly overflow?: number;
  /** Why the last entry was refused, until one is stored again. */
  readonly refused?: string;
}

interface Entry {
  readonly seq: number;
  input: Input;
  isSent: boolean;
}

export interface OutboxOptions {
  readonly writer: string;
  readonly send: SendInput;
  readonly onState: (state: OutboxState) => void;
  /** Characters kept at most; `push` refuses what does not fit, and says so. */
  readonly capacity?: number;
  /** Entries sent and not yet answered at most. */
  readonly window?: number;
}

const CAPACITY = 256 * 1024;
const WINDOW = 16;
/** Characters in one entry; a long paste travels as several. */
const ENTRY_LIMIT = 4096;

export class InputOutbox {
  #entries: Entry[] = [];
  #seq = 0;
  #isOpen = false;
  #refused: string | undefined;
  /** Counts connections; an answer that belongs to an earlier one is ignored. */
  #turn = 0;

  constructor(readonly options: OutboxOptions) {}

  /** Keep this input and send it when possible; false if it does not fit. */
  push(input: Input): boolean {
    if (this.#waiting + sizeOf(input) > (this.options.capacity ?? CAPACITY)) {
      this.#report(sizeOf(input));
      return false;
    }
    for (const part of split(input)) this.#add(part);
    this.#flush();
    this.#report();
    return true;
  }

  /** The connection is up: send what was never answered again, then the rest. */
  open(): void {
    this.#turn += 1;
    this.#isOpen = true;
    for (const entry of this.#entries) entry.isSent = false;
    this.#flush();
  }

  /** The connection is gone; what is unanswered stays. */
  interrupted(): void {
    this.#turn += 1;
    this.#isOpen = false;
  }

  /** Forget what waits: the program it was meant for has ended. */
  clear(): void {
    this.#entries = [];
    this.#report();
  }

  #add(input: Input): void {
    const last = this.#entries.at(-1);
    const joined = last && !last.isSent ? join(last.input, input) : undefined;
    if (last && joined) last.input = joined;
    else {
      this.#seq += 1;
      this.#entries.push({ seq: this.#seq, input, isSent: false });
    }
  }

  #flush(): void {
    if (!this.#isOpen) return;
    for (const entry of this.#entries.slice(0, this.options.window ?? WINDOW)) {
      if (!entry.isSent) this.#send(entry);
    }
  }

  #send(entry: Entry): void {
    const turn = this.#turn;
    entry.isSent = true;
    this.options.send(`${this.options.writer}:${entry.seq}`, entry.input).then(
      () => this.#answered(entry),
      (error: unknown) => this.#failed(entry, turn, error),
    );
  }

  #answered(entry: Entry): void {
    this.#refused = undefined;
    this.#drop(entry);
  }

  #failed(entry: Entry, turn: number, error: unknown): void {
    if (error instanceof RefusedInput) {
      this.#refused = error.message;
      this.#drop(entry);
      return;
    }
    if (turn !== this.#turn) return;
    // Later entries may have been stored already; sending all again from here keeps their order,
    // because the ones stored are recognised by their keys.
    this.#isOpen = false;
    setTimeout(() => turn === this.#turn && this.open(), 500);
  }

  #drop(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#flush();
    this.#report();
  }

  get #waiting(): number {
    return this.#entries.reduce((sum, entry) => sum + sizeOf(entry.input), 0);
  }

  #report(overflow?: number): void {
    this.options.onState({
      waiting: this.#waiting,
      ...(overflow === undefined ? {} : { overflow }),
      ...(this.#refused === undefined ? {} : { refused: this.#refused }),
    });
  }
}

function sizeOf(input: Input): number {
  return input.type === "keys" ? input.data.length : 0;
}

function join(earlier: Input, later: Input): Input | undefined {
  if (earlier.type === "resize" && later.type === "resize") return later;
  if (earlier.type !== "keys" || later.type !== "keys") return undefined;
  const data = earlier.data + later.data;
  return data.length <= ENTRY_LIMIT ? { type: "keys", data } : undefined;
}

function split(input: Input): readonly Input[] {
  if (input.type !== "keys" || input.data.length <= ENTRY_LIMIT) return [input];
  const characters = Array.from(input.data);
  const parts: Input[] = [];
  // Code points, so that no half of a surrogate pair travels alone.
  for (let at = 0; at < characters.length; at += ENTRY_LIMIT / 2) {
    parts.push({ type: "keys", data: characters.slice(at, at + ENTRY_LIMIT / 2).join("") });
  }
  return parts;
}
