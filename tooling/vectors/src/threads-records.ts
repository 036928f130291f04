/**
 * Runners for the records of Textile Threads and for the changes of documents inside them.
 */
import { concatBytes } from "@hawser/codec";
import {
  applyChange,
  blockCid,
  changeBetween,
  decodeChanges,
  decodeDag,
  encodeChanges,
  encodeDag,
  equalJson,
  foldChanges,
  formatChange,
  formatJson,
  isSigned,
  mergePatch,
  openBlock,
  parseCid,
  parseJson,
  readRecord,
  sealRecord,
  verifyLog,
  type DagMap,
  type DagValue,
  type DocumentChange,
  type JsonFields,
  type JsonValue,
  type RecordBlocks,
  type ThreadKey,
} from "@hawser/textile";
import { CID } from "multiformats/cid";
import {
  isObject,
  jsonText,
  readClaims,
  VectorShapeError,
  type Claims,
  type Json,
  type JsonObject,
} from "./claims.ts";
import type { CaseCheck } from "./report.ts";
import type { SectionRunner } from "./system.ts";
import { eachOf, pairOf } from "./threads-keys.ts";

function threadKeyOf(file: JsonObject): ThreadKey {
  const claims = readClaims(file["threadKey"], "threadKey");
  return { service: claims.bytes("service"), read: claims.bytes("read") };
}

function blocksOf(item: Json): RecordBlocks {
  const claims = readClaims(item, "record");
  return {
    record: claims.bytes("recordBlock"),
    event: claims.bytes("eventBlock"),
    header: claims.bytes("headerBlock"),
    body: claims.bytes("bodyBlock"),
  };
}

function listOf(file: JsonObject, name: string): readonly Json[] {
  const section = file[name];
  if (!Array.isArray(section)) throw new VectorShapeError(`${name} is a list`);
  return section as readonly Json[];
}

/** Bytes and links in JSON as DAG-JSON spells them. */
function fromDagJson(value: Json | undefined): DagValue {
  if (Array.isArray(value)) return (value as readonly Json[]).map(fromDagJson);
  if (!isObject(value)) return value ?? null;
  const special = Object.keys(value).length === 1 ? value["/"] : undefined;
  if (typeof special === "string") {
    const cid = parseCid(special);
    if (cid === undefined) throw new VectorShapeError(`${special} is no CID`);
    return cid;
  }
  if (isObject(special) && typeof special["bytes"] === "string") {
    return Uint8Array.from(atob(special["bytes"]), (char) => char.charCodeAt(0));
  }
  const entries = Object.entries(value).map(([key, one]) => [key, fromDagJson(one)] as const);
  return Object.fromEntries(entries);
}

/** `records`: each made again from what it states, read with both keys and with one, and judged. */
export const records: SectionRunner = async (section, report, context) => {
  const { file } = context;
  await eachOf("records", checkRecord)(section, report, context);
  await report.check("the whole log", (check) => {
    const blocks = listOf(file, "records").map(blocksOf);
    const logKey = pairOf(file, "logKey").publicKey;
    const threadKey = threadKeyOf(file);
    const verified = verifyLog(blocks, { threadKey, logKey });
    check.equal("refused", undefined, verified.refused?.reason);
    check.equal("records", blocks.length, verified.records.length);
    const { service } = threadKey;
    const followed = verifyLog(blocks, { threadKey: { service }, logKey });
    check.equal("with the service key", blocks.length, followed.records.length);
    const stranger = verifyLog(blocks, { threadKey, logKey: pairOf(file, "hostKey").publicKey });
    check.equal("of another log", 0, stranger.records.length);
  });
};

function checkRecord(check: CaseCheck, claims: Claims, file: JsonObject): void {
  const threadKey = threadKeyOf(file);
  const logKey = pairOf(file, "logKey");
  const identity = pairOf(file, "identityKey").publicKey;
  const bodyValue = fromDagJson(claims.take("bodyValue"));
  const previous = claims.text("prev");
  const given = ["contentKey", "bodyNonce", "headerNonce", "recordNonce"].map((key) =>
    claims.bytes(key),
  );
  const next = given.values();
  const random = (): Uint8Array => next.next().value ?? new Uint8Array(0);
  const made = sealRecord(random, {
    body: bodyValue,
    threadKey,
    logKey,
    identity,
    ...(previous === "" ? {} : { previous }),
  });
  claims.number("index");
  check.equal("bodyPlain", claims.bytes("bodyPlain"), encodeDag(bodyValue));
  check.equal("bodyPlainCid", claims.text("bodyPlainCid"), cidText(encodeDag(bodyValue)));
  checkBlock(check, claims, "body", made.body);
  checkBlock(check, claims, "header", made.header);
  checkBlock(check, claims, "event", made.event);
  checkBlock(check, claims, "record", made.record);
  const header = openBlock(threadKey.read ?? new Uint8Array(32), made.header);
  check.equal("headerPlain", claims.bytes("headerPlain"), header);
  const plain = openBlock(threadKey.service, made.record);
  check.equal("recordPlain", claims.bytes("recordPlain"), plain);
  check.equal("recordPlainCid", claims.text("recordPlainCid"), plain && cidText(plain));
  const signed =
    previous === ""
      ? fieldBytes(plain, "pubKey")
      : concatBytes(blockCid(made.event).bytes, parseCid(previous)?.bytes ?? new Uint8Array(0));
  check.equal("sigPayload", claims.bytes("sigPayload"), signed);
  check.equal("sig", claims.bytes("sig"), fieldBytes(plain, "sig"));
  checkRead(check, made, { threadKey, previous, bodyValue, logKey: logKey.publicKey });
}

interface ReadExpected {
  readonly threadKey: ThreadKey;
  readonly previous: string;
  readonly bodyValue: DagValue;
  readonly logKey: Uint8Array;
}

function checkRead(check: CaseCheck, blocks: RecordBlocks, expected: ReadExpected): void {
  const read = readRecord(blocks, expected.threadKey);
  if (!read.ok) {
    check.fail("read", "a record", read.reason);
    return;
  }
  const { value } = read;
  check.equal("read: previous", expected.previous, value.previous ?? "");
  const body = value.body === undefined ? undefined : encodeDag(value.body);
  check.equal("read: body", encodeDag(expected.bodyValue), body);
  check.equal("read: signed", true, isSigned(value, expected.logKey));
  const followed = readRecord(blocks, { service: expected.threadKey.service });
  check.equal("with the service key: links", true, followed.ok);
  check.equal("with the service key: no body", true, followed.ok && !("body" in followed.value));
}

function checkBlock(check: CaseCheck, claims: Claims, part: string, made: Uint8Array): void {
  check.equal(`${part}Block`, claims.bytes(`${part}Block`), made);
  check.equal(`${part}Cid`, claims.text(`${part}Cid`), cidText(made));
}

function cidText(block: Uint8Array): string {
  return blockCid(block).toString();
}

function fieldBytes(plain: Uint8Array | undefined, key: string): Uint8Array | undefined {
  // Safe: only fields of what was just sealed as a map are read.
  const value = plain && (decodeDag(plain) as DagMap)[key];
  return value instanceof Uint8Array ? value : undefined;
}

/**
 * `forgedRecords`: put in the place of the record that it pretends to be, each ends its log there.
 * What go-threads said of it is checked too, by the rule of the format alone.
 */
export const forgedRecords: SectionRunner = eachOf("forgedRecords", (check, claims, file) => {
  const genuine = listOf(file, "records").map(blocksOf);
  const threadKey = threadKeyOf(file);
  const record = claims.bytes("recordBlock");
  const plain = openBlock(threadKey.service, record);
  check.equal("recordPlain", claims.bytes("recordPlain"), plain);
  check.equal("recordCid", claims.text("recordCid"), cidText(record));
  // Safe: what is sealed in a record is a map.
  const fields = plain && (decodeDag(plain) as DagMap);
  const eventCid = linkText(fields, "block");
  // An event that is in nobody's hands cannot be shown: the record's own place says which it was.
  const place = placeOf(fields, genuine, threadKey);
  const carrier = genuine.find(({ event }) => cidText(event) === eventCid) ?? genuine[place];
  if (carrier === undefined) throw new VectorShapeError("there is no record to forge");
  const forged: RecordBlocks = { ...carrier, record };
  const read = readRecord(forged, threadKey);
  const logKey = pairOf(file, "logKey").publicKey;
  const isAccepted = read.ok && isSigned(read.value, logKey);
  const verdict = claims.text("legacyVerify");
  check.equal("legacyVerify", verdict.startsWith("accept"), isAccepted);
  check.equal("required", claims.text("required"), "reject");
  for (const after of [genuine.slice(place + 1), []]) {
    const log = [...genuine.slice(0, place), forged, ...after];
    const claimsOfLog = { threadKey, logKey, ...headOf(after) };
    const { records: counted } = verifyLog(log, claimsOfLog);
    const isCounted = counted.some(({ cid }) => cid === cidText(record));
    if (isCounted) check.fail("verifyLog", "refused", "counted");
  }
});

/** Whoever knows a log's newest record says so. */
function headOf(after: readonly RecordBlocks[]): { readonly head?: string } {
  const last = after.at(-1);
  return last === undefined ? {} : { head: cidText(last.record) };
}

function linkText(fields: DagMap | undefined, key: string): string | undefined {
  const link = fields?.[key];
  return typeof link === "object" ? CID.asCID(link)?.toString() : undefined;
}

function placeOf(
  fields: DagMap | undefined,
  genuine: readonly RecordBlocks[],
  threadKey: ThreadKey,
): number {
  const previous = linkText(fields, "prev");
  const read = genuine.map((blocks) => readRecord(blocks, threadKey));
  const place = read.findIndex((one) => one.ok && one.value.previous === previous);
  return place === -1 ? genuine.length : place;
}

/** `jsonpatcher`: changes of documents as validators saw them and as records carry them. */
export const jsonpatcher: SectionRunner = eachOf("jsonpatcher", (check, claims) => {
  const node = claims.bytes("node");
  const body = decodeDag(node);
  const changes = body === undefined ? undefined : decodeChanges(body);
  if (changes === undefined) {
    check.fail("node", "changes", "malformed");
    return;
  }
  check.equal("node", node, encodeDag(encodeChanges(changes)));
  check.equal("cid", claims.text("cid"), cidText(node));
  for (const key of ["eventJson", "eventsJson", "events"]) checkShown(check, claims, key, changes);
  if (claims.has("type")) checkTypes(check, claims.take("type"), changes);
  if (claims.has("types")) checkTypes(check, claims.take("types"), changes);
  if (claims.has("previous") && claims.has("current") && changes.length === 1) {
    checkVersions(check, claims, changes);
  }
});

function checkShown(
  check: CaseCheck,
  claims: Claims,
  key: string,
  changes: readonly DocumentChange[],
): void {
  if (!claims.has(key)) return;
  const stated = claims.take(key);
  const shown = changes.map(formatChange);
  const one = typeof stated === "string" ? [stated, `[${shown.join()}]`] : undefined;
  if (one !== undefined && shown.length !== 1) check.equal(key, one[0], one[1]);
  else {
    const list = Array.isArray(stated) ? (stated as readonly Json[]) : [stated ?? null];
    check.equal(key, list.map(jsonText).join("\n"), shown.join("\n"));
  }
}

function checkTypes(
  check: CaseCheck,
  stated: Json | undefined,
  changes: readonly DocumentChange[],
): void {
  const kinds = ["create", "save", "delete"];
  const list = Array.isArray(stated) ? (stated as readonly Json[]) : [stated ?? null];
  const own = changes.map(({ kind }) => kinds.indexOf(kind));
  check.equal("type", JSON.stringify(list), JSON.stringify(own));
}

/** From the version before to the one after, and the change found between them again. */
function checkVersions(
  check: CaseCheck,
  claims: Claims,
  [change]: readonly DocumentChange[],
): void {
  if (change === undefined) return;
  const before = versionOf(claims.text("previous"));
  const after = versionOf(claims.text("current"));
  const reached = applyChange(before, change);
  check.equal("current", after && sortedText(after), reached && sortedText(reached));
  const again = changeBetween(change, before, after);
  check.equal("kind of the difference", change.kind, again.kind);
  const leads = again.json === undefined ? undefined : parseJson(again.json);
  const isSame = leads === undefined || equalJson(leads, parseJson(change.json ?? "null") ?? null);
  if (change.kind !== "delete") check.equal("the difference", true, isSame);
}

function versionOf(text: string): JsonFields | undefined {
  // Safe: versions of documents are objects.
  return text === "" ? undefined : (parseJson(text) as JsonFields);
}

/** Merging into nothing keeps all fields; merging what is equal changes nothing. */
function sortedText(value: JsonValue): string {
  const fields = Object.entries(mergePatch({}, value) as JsonFields);
  return formatJson(Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** `reducerDivergence`: where go-threads depends on the order of arrival, ours does not. */
export const reducerDivergence: SectionRunner = eachOf("reducerDivergence", (check, claims) => {
  const arrived = claims.text("arrival").split(",").map(changeOfWords);
  if (claims.has("events")) claims.list("events");
  const orders = permutations(arrived);
  const states = orders.map((order) => {
    const documents = foldChanges(order).get("Person") ?? new Map<string, JsonFields>();
    return [...documents].map(([id, document]) => `${id} ${sortedText(document)}`).join();
  });
  check.equal("states", 1, new Set(states).size);
  const [state = ""] = states;
  const isWhole = state === "" || state.includes('"_id"');
  check.equal("whole documents only", true, isWhole);
  claims.take("state");
});

/** `c`, `s1`, `delete`, `create x{Foo}`: the words of the vectors for a change of document x. */
function changeOfWords(words: string, index: number): DocumentChange {
  const place = { collection: "Person", documentId: "x" };
  const text = words.trim();
  const name = /\{(\w+)\}/.exec(text)?.[1] ?? "Foo";
  if (text.startsWith("c")) {
    const json = JSON.stringify({ _id: "x", age: 1, name });
    return { ...place, kind: "create", timestamp: BigInt(1 + index), json };
  }
  const timestamp = BigInt(10 + index);
  if (text.startsWith("d")) return { ...place, kind: "delete", timestamp };
  const saved = /^s(?:ave)?\s*(\d*)/.exec(text)?.[1];
  if (saved === undefined) throw new VectorShapeError(`${text} is no change that is known`);
  return { ...place, kind: "save", timestamp, json: `{"age":${String(Number(saved) + 1)}}` };
}

function permutations<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length < 2) return [items];
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}
