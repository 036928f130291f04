/**
 * What others say of themselves while they are here: names, colours, cursors. Anybody who is a member
 * may send anything, so all of it is checked before the page shows it. Layer 10, pure.
 */

/** Somebody who is here. */
export interface Person {
  readonly name: string;
  /** `#` and six hexadecimal digits: nothing else may get into a style. */
  readonly colour: string;
}

const nameLengthMax = 40;
const colourPattern = /^#[0-9a-f]{6}$/i;
const colourUnknown = "#5b6570";

/** The person in a presence state; `undefined` when it is none. */
export function personOf(state: unknown): Person | undefined {
  const user = fieldOf(state, "user");
  const name = fieldOf(user, "name");
  if (typeof name !== "string" || name.trim() === "") return undefined;
  const colour = fieldOf(user, "color");
  const isColour = typeof colour === "string" && colourPattern.test(colour);
  return {
    name: name.slice(0, nameLengthMax).toWellFormed(),
    colour: isColour ? colour : colourUnknown,
  };
}

/** Is there a cursor in a presence state that can be looked up in a document without an error? */
export function hasCursor(state: unknown): boolean {
  const cursor = fieldOf(state, "cursor");
  return isPosition(fieldOf(cursor, "anchor")) && isPosition(fieldOf(cursor, "head"));
}

/** A relative position of Yjs, as JSON. */
function isPosition(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const name = fieldOf(value, "tname");
  const side = fieldOf(value, "assoc");
  const isNamed = name === undefined || name === null || name === "note";
  const isSided = side === undefined || side === null || typeof side === "number";
  return isNamed && isSided && [fieldOf(value, "type"), fieldOf(value, "item")].every(isPlace);
}

function isPlace(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return [fieldOf(value, "client"), fieldOf(value, "clock")].every(
    (part) => Number.isSafeInteger(part) && Number(part) >= 0,
  );
}

function fieldOf(value: unknown, key: string): unknown {
  const isObject = typeof value === "object" && value !== null;
  return isObject && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}
