/** Requests to the service's API, with refusals as one kind of error. */

import { type Decoder, decode } from "../wire/decode.ts";
import { failureBody } from "../wire/failure.ts";

/** The service refused, or could not be reached (`status` 0). */
export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly request: string,
    /** Where to sign in, if that is what is missing. */
    readonly signInAt?: string,
  ) {
    super(message);
  }

  /** What a person would paste into a report. */
  get detail(): string {
    return `${this.request}\n${this.status === 0 ? "no answer" : this.status} ${this.code}\n${this.message}`;
  }
}

interface Ask {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Let the request outlive the page, for work flushed while it closes. */
  readonly keepalive?: boolean;
}

/** Send a request and return its response; raises `ApiFailure` unless it was accepted. */
export async function send(path: string, ask: Ask = {}): Promise<Response> {
  const method = ask.method ?? "GET";
  const response = await answered(path, method, ask);
  if (response.ok) return response;
  throw await refusal(response, `${method} ${path}`);
}

/** Send a request and decode its JSON answer. */
export async function ask<T>(path: string, decoder: Decoder<T>, options: Ask = {}): Promise<T> {
  const response = await send(path, options);
  const body: unknown = await response.json();
  return decode(decoder, body, `${options.method ?? "GET"} ${path}`);
}

/** A path built from segments, each encoded; a file's path keeps its slashes. */
export function apiPath(...segments: readonly string[]): string {
  return `/api/${segments.map(encoded).join("/")}`;
}

function encoded(segment: string): string {
  return segment.split("/").map(encodeURIComponent).join("/");
}

async function answered(path: string, method: string, ask: Ask): Promise<Response> {
  try {
    return await fetch(path, {
      method,
      headers: {
        accept: "application/json",
        ...(ask.json === undefined ? {} : { "content-type": "application/json" }),
        ...ask.headers,
      },
      body: ask.json === undefined ? (ask.body ?? null) : JSON.stringify(ask.json),
      keepalive: ask.keepalive ?? false,
      signal: ask.signal ?? null,
    });
  } catch (error) {
    if (ask.signal?.aborted) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiFailure(
      0,
      "unreachable",
      `the service did not answer: ${reason}`,
      `${method} ${path}`,
    );
  }
}

async function refusal(response: Response, request: string): Promise<ApiFailure> {
  const body = await response.text();
  try {
    const { error } = decode(failureBody, JSON.parse(body), "refusal");
    const message = error.message || response.statusText;
    return new ApiFailure(response.status, error.code, message, request, error.detail?.login);
  } catch {
    const message = body.slice(0, 300) || response.statusText || "no explanation was given";
    return new ApiFailure(response.status, "unexplained", message, request);
  }
}
