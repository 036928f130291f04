/**
 * Pairing (docs/spec/account.md §2): a device of the account shows a short code, the new device is
 * given it, and both come to a channel that nobody between them can read or change. What crosses it
 * is for the caller: a request of the new device, and the answer. Layer 6.
 *
 *   slot 0  approver → newcomer   session id (16)
 *   slot 1  newcomer → approver   CPace message
 *   slot 2  approver → newcomer   CPace message ‖ tag (64)
 *   slot 3  newcomer → approver   tag (64) ‖ sealed request
 *   slot 4  approver → newcomer   sealed answer
 */
import { concatBytes, utf8 } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import { startCpace, type CpaceOutcome } from "@hawser/crypto/cpace";
import { AccountError } from "./errors.ts";
import type { Rendezvous } from "./rendezvous.ts";

/** What both sides need. */
export interface PairingDeps {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly rendezvous: Rendezvous;
}

/** The side that shows the code. */
export interface ApproveOptions {
  /** Shown to the person, to be typed into the new device. Good for one attempt. */
  readonly onCode: (code: string) => void;
  /**
   * Asked once the new device has proved that it was given the code. An answer (at most 4,096 bytes) lets
   * it in, `undefined` turns it away. `stillWaits` rejects when the new device has gone or the mailbox
   * is too old: call it after asking a person, before anything that cannot be undone.
   */
  readonly decide: (
    request: Uint8Array,
    stillWaits: () => Promise<void>,
  ) => Promise<Uint8Array | undefined>;
  readonly signal: AbortSignal;
}

/** The side that is given the code. */
export interface RequestOptions {
  readonly code: string;
  /** At most 4,096 bytes. */
  readonly request: Uint8Array;
  readonly signal: AbortSignal;
}

/** Bytes of the longest request or answer. */
export const pairingTextBytesMax = 4_096;

const passwordDigits = 8;
const nameDigits = 4;
const sessionIdBytes = 16;
const tagBytes = 64;
const channel: Uint8Array = utf8("hawser pairing v1");
const denied = 0;
const granted = 1;
const noData = new Uint8Array(0);

/** Twelve digits in groups of four: the mailbox's name, and the password. */
export function formatPairingCode(name: string, password: string): string {
  return `${name}-${password.slice(0, 4)}-${password.slice(4)}`;
}

/** The parts of a code, however it is grouped. Throws `ACCOUNT_CODE_INVALID`. */
export function parsePairingCode(code: string): {
  readonly name: string;
  readonly password: string;
} {
  const digits = code.replaceAll(/[\s.·-]+/g, "");
  if (!/^[0-9]{12}$/.test(digits)) {
    throw new AccountError("ACCOUNT_CODE_INVALID", "a pairing code has twelve digits");
  }
  return { name: digits.slice(0, nameDigits), password: digits.slice(nameDigits) };
}

/**
 * Lets one new device in. Resolves with its request when it was let in. Throws
 * `ACCOUNT_CODE_WRONG` when whoever came had another code: show a new one, this one is used up;
 * `ACCOUNT_PAIRING_FAILED`, `_DENIED` (we said no), `ACCOUNT_MAILBOX_CLOSED`, and what `decide` throws.
 */
export async function approvePairing(
  deps: PairingDeps,
  options: ApproveOptions,
): Promise<Uint8Array> {
  const { crypto, random, rendezvous } = deps;
  const { signal } = options;
  const mailbox = await rendezvous.claim({ signal });
  // A code is good for one attempt; once answered, the mailbox is left to the other side.
  let isAnswered = false;
  try {
    const password = drawDigits(random);
    const sessionId = random(sessionIdBytes);
    await mailbox.put(0, sessionId, { signal });
    options.onCode(formatPairingCode(mailbox.name, password));
    const run = startCpace({ ...commonOf(password, sessionId), role: "responder" }, random);
    const outcome = run.finish(await mailbox.take(1, { signal }));
    if (outcome === undefined) throw failed();
    await mailbox.put(2, concatBytes(run.message, outcome.tag), { signal });
    const proof = await mailbox.take(3, { signal });
    if (!outcome.confirms(proof.subarray(0, tagBytes))) throw wrongCode();
    const keys = keysOf(crypto, outcome);
    const request = crypto.openOnce(keys.request, proof.subarray(tagBytes), noData);
    if (request === undefined) throw failed();
    const answer = await options.decide(request, async () => {
      signal.throwIfAborted();
      await mailbox.take(3, { signal });
    });
    const verdict = new Uint8Array([answer === undefined ? denied : granted]);
    const text = concatBytes(verdict, checkedText(answer ?? noData));
    await mailbox.put(4, crypto.sealOnce(keys.answer, text, noData), { signal });
    isAnswered = true;
    if (answer === undefined) throw deniedHere();
    return request;
  } finally {
    if (!isAnswered) await mailbox.close();
  }
}

/**
 * Asks to be let in. Resolves with the answer. Throws `ACCOUNT_CODE_INVALID`, `_CODE_WRONG`,
 * `_PAIRING_FAILED`, `_PAIRING_DENIED`, `_MAILBOX_CLOSED`, `_OUT_OF_RANGE`.
 */
export async function requestPairing(
  deps: PairingDeps,
  options: RequestOptions,
): Promise<Uint8Array> {
  const { crypto, random, rendezvous } = deps;
  const { signal } = options;
  const { name, password } = parsePairingCode(options.code);
  const request = checkedText(options.request);
  const mailbox = await rendezvous.open(name, { signal });
  // Whoever comes second must not end the pairing of the first.
  let isForeign = false;
  try {
    const sessionId = await mailbox.take(0, { signal });
    if (sessionId.length !== sessionIdBytes) throw failed();
    const run = startCpace({ ...commonOf(password, sessionId), role: "initiator" }, random);
    await mailbox.put(1, run.message, { signal }).catch((error: unknown) => {
      isForeign = error instanceof AccountError && error.code === "ACCOUNT_MAILBOX_CLOSED";
      throw error;
    });
    const reply = await mailbox.take(2, { signal });
    const outcome = run.finish(reply.subarray(0, -tagBytes));
    if (outcome === undefined) throw failed();
    if (!outcome.confirms(reply.subarray(-tagBytes))) throw wrongCode();
    const keys = keysOf(crypto, outcome);
    const sealed = crypto.sealOnce(keys.request, request, noData);
    await mailbox.put(3, concatBytes(outcome.tag, sealed), { signal });
    return readAnswer(crypto, keys.answer, await mailbox.take(4, { signal }));
  } finally {
    if (!isForeign) await mailbox.close();
  }
}

function readAnswer(crypto: Crypto, key: Uint8Array, sealed: Uint8Array): Uint8Array {
  const text = crypto.openOnce(key, sealed, noData);
  if (text?.[0] === granted) return text.slice(1);
  if (text?.[0] === denied && text.length === 1) {
    throw new AccountError("ACCOUNT_PAIRING_DENIED", "the other device did not let this one in");
  }
  throw failed();
}

function commonOf(password: string, sessionId: Uint8Array) {
  return { password: utf8(password), channel, sessionId, associatedData: noData };
}

/** One key for each direction, each for one message. */
function keysOf(
  crypto: Crypto,
  { key }: CpaceOutcome,
): { readonly request: Uint8Array; readonly answer: Uint8Array } {
  return {
    request: crypto.deriveKey("hawser pairing request v1", key),
    answer: crypto.deriveKey("hawser pairing answer v1", key),
  };
}

/** Eight digits, all equally likely: bytes of 250 and more are drawn again. */
function drawDigits(random: Random): string {
  let digits = "";
  for (; digits.length < passwordDigits;) {
    const [byte = 255] = random(1);
    if (byte < 250) digits += String(byte % 10);
  }
  return digits;
}

function checkedText(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= pairingTextBytesMax) return bytes;
  throw new AccountError("ACCOUNT_OUT_OF_RANGE", "a pairing message holds at most 4,096 bytes");
}

function wrongCode(): AccountError {
  return new AccountError("ACCOUNT_CODE_WRONG", "the code is another one; it is used up now");
}

function failed(): AccountError {
  return new AccountError("ACCOUNT_PAIRING_FAILED", "the other side did not keep to the protocol");
}

function deniedHere(): AccountError {
  return new AccountError("ACCOUNT_PAIRING_DENIED", "this device did not let the new one in");
}
