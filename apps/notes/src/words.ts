/** What the page says when something fails: what happened, and what to do. Layer 10, pure. */

const sentences: Readonly<Record<string, string>> = {
  HAWSER_INVITE_REFUSED:
    "This invite does not open anything any more: it was used, taken back, or is too old. Ask for a new one.",
  SPACE_INVITE_USED: "Somebody used this invite before. Ask for a new one.",
  SPACE_INVITE_REVOKED: "This invite was taken back. Ask for a new one.",
  SPACE_INVITE_EXPIRED: "This invite is too old. Ask for a new one.",
  SPACE_INVITE_INVALID: "This is no invite, or a part of it is missing. Copy the whole link.",
  HAWSER_NO_ACCESS: "You are no member of this notebook any more.",
  HAWSER_NO_RELAY:
    "This page knows no relay, so nobody can be invited and nothing leaves this device.",
  HAWSER_RELAY_UNREACHABLE: "The relay cannot be reached. Check the connection and try again.",
  HAWSER_RELAY_MISBEHAVES:
    "The relay sent what is not true, so nothing of it was kept. Try another one.",
  TimeoutError:
    "Nobody who could let you in was there for 30 seconds. Try again when somebody who is in has the page open.",
  QuotaExceededError: "This browser has no room left. Free some, and try again.",
};

/** One or two sentences for people; the error's own words where there are no better ones. */
export function problemText(error: unknown): string {
  if (typeof error !== "object" || error === null) return String(error);
  for (const key of ["code", "name"] as const) {
    const name: unknown = Reflect.get(error, key);
    const sentence = typeof name === "string" && Object.hasOwn(sentences, name) && sentences[name];
    if (typeof sentence === "string") return sentence;
  }
  return error instanceof Error ? error.message : "Something went wrong.";
}
