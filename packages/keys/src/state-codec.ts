/**
 * The bytes of a key state (docs/spec/5-keys.md §6.4). Layer 4; pure. They hold every secret of the
 * member: they never leave the device unsealed. Equal states have equal bytes.
 */
import { type CborValue, compareBytes, decodeCbor, encodeCbor, equalBytes } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { codeOfLevel, levelOfCode } from "./direct-message.ts";
import { codeOfReason, followIdBytes, reasonOfCode } from "./epoch.ts";
import { suiteX25519 } from "./limits.ts";
import { createSecret, type Secret } from "./secret.ts";
import type { Announcement, AsideKey, EpochFacts, Give, KeyRequest, KeyState } from "./state.ts";
import { asSuite } from "./suite.ts";
import type { EpochId, SecretBytes } from "./types.ts";
import {
  asArray,
  asBytes,
  asCount,
  asId,
  asIdSet,
  bytesOfId,
  compareText,
  sortedIds,
} from "./values.ts";

/** Whose state it is; bytes of another space or author are refused. */
export interface StateOwner {
  readonly topic: string;
  readonly self: AuthorId;
}

const stateVersion = 1;

export function encodeState(state: KeyState, owner: StateOwner): SecretBytes {
  const authors = sortedIds(authorsIn(state));
  const table = createAuthorTable(authors);
  const bytes = encodeCbor([
    stateVersion,
    bytesOfId(owner.topic),
    bytesOfId(owner.self),
    authors.map(bytesOfId),
    rowsOf(state.epochs, (facts) => encodeFacts(facts, table)),
    rowsOf(state.requests, (request) => encodeRequest(request, table)),
    rowsOf(state.secrets, (secret) => secret.reveal()),
    rowsOf(state.followKeys, (secret) => secret.reveal()),
    rowsOf(state.aside, encodeAside),
    sortedIds(state.broken).map(bytesOfId),
  ]);
  // Safe: the brand says that the bytes hold secrets, which these do.
  return bytes as SecretBytes;
}

/** The state of `encodeState` for the same owner, or `undefined` for any other bytes. */
export function decodeState(bytes: Uint8Array, owner: StateOwner): KeyState | undefined {
  const fields = asArray(decodeCbor(bytes), 10);
  const countMax = bytes.length;
  const authors = asIdSet<AuthorId>(fields?.[3], countMax);
  if (fields?.[0] !== stateVersion || authors === undefined) return undefined;
  if (asId(fields[1]) !== owner.topic || asId(fields[2]) !== owner.self) return undefined;
  const epochs = mapOf<EpochId, EpochFacts>(fields[4], (row) => decodeFacts(row, authors));
  const requests = mapOf<string, KeyRequest>(fields[5], (row) => decodeRequest(row, authors));
  const secrets = mapOf<EpochId, Secret>(fields[6], decodeSecret);
  const followKeys = mapOf<EpochId, Secret>(fields[7], decodeSecret);
  const aside = mapOf<EpochId, readonly AsideKey[]>(fields[8], decodeAside);
  const broken = asIdSet<EpochId>(fields[9], countMax);
  if (epochs === undefined || requests === undefined || secrets === undefined) return undefined;
  if (followKeys === undefined || aside === undefined || broken === undefined) return undefined;
  const state = { epochs, requests, secrets, followKeys, aside, broken: new Set(broken) };
  // Rejects what is well-formed but not what we write: unsorted rows, unused authors.
  return equalBytes(encodeState(state, owner), bytes) ? state : undefined;
}

/** Authors by index and sets of them as bits: a space names the same few people over and over. */
interface AuthorTable {
  readonly count: number;
  indexOf(author: AuthorId): number;
}

function createAuthorTable(authors: readonly AuthorId[]): AuthorTable {
  const indexes = new Map(authors.map((author, index) => [author, index]));
  return { count: authors.length, indexOf: (author) => indexes.get(author) ?? -1 };
}

function* authorsIn(state: KeyState): Iterable<AuthorId> {
  for (const { announcement, followRecipients, gives } of state.epochs.values()) {
    // Recipients hold the epoch's author too.
    if (announcement !== undefined) yield* announcement.terms.recipients;
    yield* followRecipients;
    for (const { giver, recipient } of gives) {
      yield giver;
      yield recipient;
    }
  }
  for (const { author } of state.requests.values()) yield author;
}

function bitsOf(members: readonly AuthorId[], table: AuthorTable): Uint8Array {
  const bits = new Uint8Array(Math.ceil(table.count / 8));
  for (const member of members) {
    const index = table.indexOf(member);
    bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return bits;
}

function membersOf(
  value: CborValue | undefined,
  authors: readonly AuthorId[],
): readonly AuthorId[] | undefined {
  const bits = asBytes(value, Math.ceil(authors.length / 8));
  return bits && authors.filter((_, index) => ((bits[index >> 3] ?? 0) >> (index & 7)) & 1);
}

function rowsOf<Key extends string, Value>(
  map: ReadonlyMap<Key, Value>,
  encode: (value: Value) => CborValue,
): readonly CborValue[] {
  return [...map.entries()]
    .sort(([a], [b]) => compareText(a, b))
    .map(([id, value]) => [bytesOfId(id), encode(value)]);
}

function mapOf<Key extends string, Value>(
  value: CborValue | undefined,
  decode: (value: CborValue | undefined) => Value | undefined,
): ReadonlyMap<Key, Value> | undefined {
  const rows = asArray(value, Number.MAX_SAFE_INTEGER);
  if (rows === undefined) return undefined;
  const map = new Map<Key, Value>();
  for (const row of rows) {
    const fields = asArray(row, 2);
    const id = asId<Key>(fields?.[0]);
    const decoded = decode(fields?.[1]);
    if (id === undefined || decoded === undefined) return undefined;
    map.set(id, decoded);
  }
  return map;
}

function listOf<Value>(
  value: CborValue | undefined,
  decode: (value: CborValue) => Value | undefined,
): readonly Value[] | undefined {
  const items = asArray(value, Number.MAX_SAFE_INTEGER);
  const list: Value[] = [];
  for (const item of items ?? []) {
    const decoded = decode(item);
    if (decoded === undefined) return undefined;
    list.push(decoded);
  }
  return items && list;
}

function encodeFacts(facts: EpochFacts, table: AuthorTable): CborValue {
  const { announcement, followRecipients, gives } = facts;
  const giveRows = gives.map((give) => encodeGive(give, table));
  return [
    announcement === undefined ? null : encodeAnnouncement(announcement, table),
    bitsOf(followRecipients, table),
    // Gives are a set; sorting by their encodings gives it one spelling.
    giveRows.sort((a, b) => compareBytes(encodeCbor(a), encodeCbor(b))),
  ];
}

function decodeFacts(
  value: CborValue | undefined,
  authors: readonly AuthorId[],
): EpochFacts | undefined {
  const fields = asArray(value, 3);
  const announcement = fields?.[0] === null ? undefined : decodeAnnouncement(fields?.[0], authors);
  const followRecipients = membersOf(fields?.[1], authors);
  const gives = listOf(fields?.[2], (row) => decodeGive(row, authors));
  if (followRecipients === undefined || gives === undefined) return undefined;
  if (announcement === undefined && fields?.[0] !== null) return undefined;
  return { announcement, followRecipients, gives };
}

function encodeAnnouncement({ terms, partial }: Announcement, table: AuthorTable): CborValue {
  return [
    terms.suite,
    table.indexOf(terms.author),
    terms.commitment,
    terms.followId,
    terms.parents.map(bytesOfId),
    terms.authHeads.map(bytesOfId),
    codeOfReason(terms.reason),
    bitsOf(terms.recipients, table),
    partial,
  ];
}

function decodeAnnouncement(
  value: CborValue | undefined,
  authors: readonly AuthorId[],
): Announcement | undefined {
  const fields = asArray(value, 9);
  if (fields === undefined) return undefined;
  const suite = asSuite(fields[0]);
  const author = authors[asCount(fields[1]) ?? -1];
  const commitment = asBytes(fields[2], 32);
  const followId = asBytes(fields[3], followIdBytes);
  const parents = asIdSet<EpochId>(fields[4], Number.MAX_SAFE_INTEGER);
  const authHeads = asIdSet<string>(fields[5], Number.MAX_SAFE_INTEGER);
  const reason = reasonOfCode(asCount(fields[6]) ?? -1);
  const recipients = membersOf(fields[7], authors);
  const partial = fields[8];
  if (suite === undefined || author === undefined || commitment === undefined) return undefined;
  if (followId === undefined || parents === undefined || authHeads === undefined) return undefined;
  if (reason === undefined || recipients === undefined) return undefined;
  if (typeof partial !== "boolean") return undefined;
  const terms = { suite, author, commitment, followId, parents, authHeads, reason, recipients };
  return { terms, partial };
}

function encodeGive(give: Give, table: AuthorTable): CborValue[] {
  return [
    table.indexOf(give.giver),
    table.indexOf(give.recipient),
    codeOfLevel(give.level),
    give.answers === undefined ? null : bytesOfId(give.answers),
    ...(give.suite === suiteX25519 ? [] : [give.suite]),
  ];
}

function decodeGive(value: CborValue, authors: readonly AuthorId[]): Give | undefined {
  const fields = asArray(value, 5);
  const giver = authors[asCount(fields?.[0]) ?? -1];
  const recipient = authors[asCount(fields?.[1]) ?? -1];
  const level = levelOfCode(fields?.[2]);
  const answers = fields?.[3] === null ? undefined : asId<string>(fields?.[3]);
  const suite = fields?.length === 5 ? asSuite(fields[4]) : suiteX25519;
  if (giver === undefined || recipient === undefined || level === undefined) return undefined;
  return suite && { giver, recipient, level, answers, suite };
}

function encodeRequest(request: KeyRequest, table: AuthorTable): CborValue {
  const { author, level, epochIds } = request;
  return [table.indexOf(author), codeOfLevel(level), epochIds.map(bytesOfId)];
}

function decodeRequest(
  value: CborValue | undefined,
  authors: readonly AuthorId[],
): KeyRequest | undefined {
  const fields = asArray(value, 3);
  const author = authors[asCount(fields?.[0]) ?? -1];
  const level = levelOfCode(fields?.[1]);
  const epochIds = asIdSet<EpochId>(fields?.[2], Number.MAX_SAFE_INTEGER);
  if (author === undefined || level === undefined || epochIds === undefined) return undefined;
  return { author, level, epochIds };
}

function decodeSecret(value: CborValue | undefined): Secret | undefined {
  const bytes = asBytes(value, 32);
  return bytes && createSecret(bytes);
}

function encodeAside(keys: readonly AsideKey[]): CborValue {
  const rows = keys.map(({ level, key }): CborValue[] => [codeOfLevel(level), key.reveal()]);
  return rows.sort((a, b) => compareBytes(encodeCbor(a), encodeCbor(b)));
}

function decodeAside(value: CborValue | undefined): readonly AsideKey[] | undefined {
  return listOf(value, (row) => {
    const fields = asArray(row, 2);
    const level = levelOfCode(fields?.[0]);
    const key = decodeSecret(fields?.[1]);
    return level === undefined || key === undefined ? undefined : { level, key };
  });
}
