/** Small decoders: what arrives is checked once, here, and typed from then on. */

/** Turns an unknown value into a `T`, or throws a `DecodeError` that names the place. */
export type Decoder<T> = (value: unknown, path: string) => T;

export type Decoded<D> = D extends Decoder<infer T> ? T : never;

/** What arrived does not have the expected shape. */
export class DecodeError extends Error {
  constructor(
    readonly path: string,
    readonly expected: string,
    readonly found: unknown,
  ) {
    super(`expected ${expected} at ${path}, found ${described(found)}`);
  }
}

export function decode<T>(decoder: Decoder<T>, value: unknown, what: string): T {
  return decoder(value, what);
}

export const text: Decoder<string> = (value, path) =>
  typeof value === "string" ? value : refuse(path, "text", value);

export const number: Decoder<number> = (value, path) =>
  typeof value === "number" && Number.isFinite(value) ? value : refuse(path, "a number", value);

export const boolean: Decoder<boolean> = (value, path) =>
  typeof value === "boolean" ? value : refuse(path, "true or false", value);

export const anything: Decoder<unknown> = (value) => value;

/** A moment in milliseconds since 1970, sent as such or as an ISO date. */
export const moment: Decoder<number> = (value, path) => {
  const at = typeof value === "string" ? Date.parse(value) : value;
  return typeof at === "number" && Number.isFinite(at) ? at : refuse(path, "a time", value);
};

export function literal<const T extends string>(...words: readonly T[]): Decoder<T> {
  return (value, path) =>
    words.find((word) => word === value) ?? refuse(path, `one of ${words.join(", ")}`, value);
}

export function list<T>(item: Decoder<T>): Decoder<readonly T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((entry: unknown, index) => item(entry, `${path}[${index}]`))
      : refuse(path, "a list", value);
}

/** `null` and absence both read as `undefined`. */
export function optional<T>(inner: Decoder<T>): Decoder<T | undefined> {
  return (value, path) => (value === undefined || value === null ? undefined : inner(value, path));
}

export function withDefault<T>(inner: Decoder<T>, fallback: T): Decoder<T> {
  return (value, path) => (value === undefined || value === null ? fallback : inner(value, path));
}

type Fields = Record<string, Decoder<unknown>>;
type Shape<F extends Fields> = { readonly [Name in keyof F]: Decoded<F[Name]> };

/** An object with these fields; others are ignored, so a newer server may add some. */
export function object<F extends Fields>(fields: F): Decoder<Shape<F>> {
  return (value, path) => {
    const source = asRecord(value, path);
    const entries = Object.entries(fields).map(([name, field]) => [
      name,
      field(source[name], `${path}.${name}`),
    ]);
    // The entries were built from `fields`, one decoded value for each name.
    return Object.fromEntries(entries) as Shape<F>;
  };
}

/** One of several shapes, told apart by the text in `tag`; an unknown tag reads as `otherwise`. */
export function tagged<Cases extends Fields, U>(
  tag: string,
  cases: Cases,
  otherwise: Decoder<U>,
): Decoder<Decoded<Cases[keyof Cases]> | U> {
  return (value, path) => {
    const found = asRecord(value, path)[tag];
    if (typeof found !== "string" || !Object.hasOwn(cases, found)) return otherwise(value, path);
    // `found` is one of the cases' own names, so what it decodes is one of their values.
    return cases[found]?.(value, path) as Decoded<Cases[keyof Cases]>;
  };
}

function asRecord(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (isRecord(value)) return value;
  return refuse(path, "an object", value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(path: string, expected: string, found: unknown): never {
  throw new DecodeError(path, expected, found);
}

function described(value: unknown): string {
  if (value === undefined) return "nothing";
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
}
