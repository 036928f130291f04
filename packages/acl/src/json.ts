/**
 * The paper's JSON documents (docs/spec/7-views.md §9.2): a small reader that takes exactly that
 * form, because JSON.parse lets the last of two equal keys win. Linear, nothing recursive.
 */
import type { AclErrorCode } from "./errors.ts";
import { isKey } from "./keys.ts";
import { isRole, roles } from "./roles.ts";
import type { AclDocument, Role } from "./types.ts";

/** UTF-16 code units of a document's text. */
export const jsonLengthMax = 262_144;
/** Peers of one document. */
export const peersMax = 4_096;

/** What is wrong with a text. */
export interface AclJsonFault {
  readonly ok: false;
  readonly code: AclErrorCode;
  /** Where, in UTF-16 code units. */
  readonly offset: number;
}

export type AclJsonVerdict = { readonly ok: true; readonly document: AclDocument } | AclJsonFault;

/** Ends the reading; never leaves this file. */
class Fault extends Error {
  readonly fault: AclJsonFault;

  constructor(code: AclErrorCode, offset: number) {
    super(code);
    this.fault = { ok: false, code, offset };
  }
}

/** Reads `{"_id": …, "default": …, "peers": {…}}`, its keys in any order, and nothing else. */
export function parseAclDocument(text: string): AclJsonVerdict {
  try {
    if (text.length > jsonLengthMax) throw new Fault("ACL_TOO_LARGE", jsonLengthMax);
    return { ok: true, document: readDocument(createReader(text)) };
  } catch (error) {
    if (error instanceof Fault) return error.fault;
    throw error;
  }
}

/** The text of a document: keys sorted, no spaces. */
export function printAclDocument(document: AclDocument): string {
  const peers = [...document.peers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([peer, held]) => {
      const sorted = roles.filter((role) => held.includes(role));
      return `${JSON.stringify(peer)}:${JSON.stringify(sorted)}`;
    });
  const id = JSON.stringify(document.id);
  return `{"_id":${id},"default":"${document.default}","peers":{${peers.join(",")}}}`;
}

interface Reader {
  readonly offset: number;
  /** Takes the character if it comes next. */
  take(character: string): boolean;
  expect(character: string): void;
  /** A string. */
  string(): string;
  end(): void;
}

/** From quote to quote; JSON.parse then says whether what stands between is a string. */
const stringPattern = /"(?:[^"\\]|\\[^])*"/y;
const spacePattern = /[ \t\n\r]*/y;

function createReader(text: string): Reader {
  let offset = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset;
    const found = pattern.exec(text)?.[0];
    offset += found?.length ?? 0;
    return found;
  };
  const take = (character: string): boolean => {
    match(spacePattern);
    if (text[offset] !== character) return false;
    offset += 1;
    return true;
  };
  return {
    get offset() {
      return offset;
    },
    take,
    expect: (character) => {
      if (!take(character)) throw new Fault("ACL_JSON_INVALID", offset);
    },
    string: () => {
      match(spacePattern);
      const start = offset;
      const token = match(stringPattern);
      if (token === undefined) throw new Fault("ACL_JSON_INVALID", start);
      const value = parseString(token);
      if (value === undefined) throw new Fault("ACL_JSON_INVALID", start);
      return value;
    },
    end: () => {
      match(spacePattern);
      if (offset < text.length) throw new Fault("ACL_JSON_INVALID", offset);
    },
  };
}

function parseString(token: string): string | undefined {
  try {
    const value: unknown = JSON.parse(token);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

function readDocument(reader: Reader): AclDocument {
  let id: string | undefined;
  let standard: Role | undefined;
  let peers: ReadonlyMap<string, readonly Role[]> | undefined;
  readObject(reader, 3, (key, offset) => {
    if (key === "_id") id = readKey(reader);
    else if (key === "default") standard = readRole(reader);
    else if (key === "peers") peers = readPeers(reader);
    else throw new Fault("ACL_JSON_INVALID", offset);
  });
  reader.end();
  if (id === undefined || standard === undefined || peers === undefined) {
    throw new Fault("ACL_JSON_INVALID", reader.offset);
  }
  return { id, default: standard, peers };
}

function readPeers(reader: Reader): ReadonlyMap<string, readonly Role[]> {
  const peers = new Map<string, readonly Role[]>();
  readObject(reader, peersMax, (key, offset) => {
    if (!isKey(key)) throw new Fault("ACL_KEY_INVALID", offset);
    peers.set(key, readRoles(reader));
  });
  return peers;
}

/** Reads an object's members; `member` reads the value of each. */
function readObject(
  reader: Reader,
  countMax: number,
  member: (key: string, offset: number) => void,
): void {
  reader.expect("{");
  const keys = new Set<string>();
  if (reader.take("}")) return;
  do {
    const { offset } = reader;
    const key = reader.string();
    if (keys.has(key)) throw new Fault("ACL_KEY_DUPLICATE", offset);
    keys.add(key);
    reader.expect(":");
    member(key, offset);
    if (keys.size > countMax) throw new Fault("ACL_TOO_LARGE", offset);
  } while (reader.take(","));
  reader.expect("}");
}

function readKey(reader: Reader): string {
  const { offset } = reader;
  const key = reader.string();
  if (!isKey(key)) throw new Fault("ACL_KEY_INVALID", offset);
  return key;
}

function readRole(reader: Reader): Role {
  const { offset } = reader;
  const role = reader.string();
  if (!isRole(role)) throw new Fault("ACL_ROLE_INVALID", offset);
  return role;
}

function readRoles(reader: Reader): readonly Role[] {
  reader.expect("[");
  const held: Role[] = [];
  if (reader.take("]")) return held;
  do {
    const { offset } = reader;
    const role = readRole(reader);
    const isAlone = role !== "no-access" || held.length === 0;
    if (held.includes(role) || held.includes("no-access") || !isAlone) {
      throw new Fault("ACL_ROLE_INVALID", offset);
    }
    held.push(role);
  } while (reader.take(","));
  reader.expect("]");
  return held;
}
