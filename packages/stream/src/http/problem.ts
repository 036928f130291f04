/** Answers that say what went wrong, as RFC 9457 problem JSON (docs/spec/stream.md, "HTTP"). */

/** Codes of problems the handler itself finds; others are those of StreamError and of faults. */
export type ProblemCode =
  | "HTTP_BAD_REQUEST"
  | "HTTP_NOT_FOUND"
  | "HTTP_METHOD"
  | "HTTP_RANGE"
  | "HTTP_PRECONDITION"
  | "HTTP_PRECONDITION_REQUIRED"
  | "HTTP_TOO_LARGE"
  | "HTTP_FORBIDDEN"
  | "HTTP_EXISTS"
  | "HTTP_BUSY"
  | "HTTP_INTERNAL";

export interface Problem {
  readonly status: number;
  readonly code: string;
  /** For people; never from inside of the server. */
  readonly title: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members. */
  readonly details?: Readonly<Record<string, number>>;
}

/** The answer for a problem. */
export function problemResponse(problem: Problem): Response {
  const { status, code, title, headers, details } = problem;
  const body = JSON.stringify({ type: "about:blank", title, status, code, ...details });
  return new Response(body, {
    status,
    headers: { ...commonHeaders, ...headers, "content-type": "application/problem+json" },
  });
}

/** What every answer carries: contents are anybody's bytes, and no page of this server. */
export const commonHeaders: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "cache-control": "no-cache",
};
