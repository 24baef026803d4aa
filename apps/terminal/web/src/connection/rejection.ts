/** What the gateway client rejects with: objects of its own, with codes. */

const TOKEN_EXPIRED = 109;
const UNRECOVERABLE_POSITION = 112;

interface Rejection {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly temporary?: unknown;
}

function asRejection(error: unknown): Rejection {
  return typeof error === "object" && error !== null ? error : {};
}

function codeOf(error: unknown): number {
  const { code } = asRejection(error);
  return typeof code === "number" ? code : 0;
}

export function messageOf(error: unknown): string {
  const { message } = asRejection(error);
  return typeof message === "string" && message !== "" ? message : String(error);
}

/** Whether the same request may succeed later; codes below 100 are the client's own, all passing. */
export function isTemporary(error: unknown): boolean {
  const code = codeOf(error);
  return code < 100 || code === TOKEN_EXPIRED || asRejection(error).temporary === true;
}

/** Whether the log that a position counts in is no more. */
export function isUnrecoverable(error: unknown): boolean {
  return codeOf(error) === UNRECOVERABLE_POSITION;
}
