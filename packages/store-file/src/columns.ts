/**
 * The directory's large tables as flat numbers: 56 bytes a range, 16 a range of its topic's receive
 * order, whatever the ranges hold. Layer 4; no I/O.
 */

/** What the directory knows of one range. */
export interface RangeRow {
  readonly from: number;
  readonly to: number;
  /** Where its record lies; see segments.ts. */
  readonly place: number;
  /** Bytes of the record with its frame. */
  readonly length: number;
  readonly cursor: number;
  readonly dataBytes: number;
  /** Compact bytes. */
  readonly byteCount: number;
  /** Whether the record holds the state before the range. */
  readonly hasState: boolean;
}

const stride = 7;
const column = {
  from: 0,
  to: 1,
  place: 2,
  length: 3,
  cursor: 4,
  /** Data bytes × 2, plus 1 where the record holds a state. */
  data: 5,
  byteCount: 6,
} as const;

/** The ranges of one log, ascending by seq and by cursor. */
export class RangeColumns {
  #values = new Float64Array(stride * 2);
  #first = 0;
  #end = 0;

  get count(): number {
    return this.#end - this.#first;
  }

  push(row: RangeRow): void {
    if ((this.#end + 1) * stride > this.#values.length) this.#makeRoom();
    const values = this.#values;
    const start = this.#end * stride;
    values[start + column.from] = row.from;
    values[start + column.to] = row.to;
    values[start + column.place] = row.place;
    values[start + column.length] = row.length;
    values[start + column.cursor] = row.cursor;
    values[start + column.data] = row.dataBytes * 2 + (row.hasState ? 1 : 0);
    values[start + column.byteCount] = row.byteCount;
    this.#end++;
  }

  /** Row `index`; `undefined` outside. */
  row(index: number): RangeRow | undefined {
    if (index < 0 || index >= this.count) return undefined;
    const start = (this.#first + index) * stride;
    const data = this.#at(start + column.data);
    return {
      from: this.#at(start + column.from),
      to: this.#at(start + column.to),
      place: this.#at(start + column.place),
      length: this.#at(start + column.length),
      cursor: this.#at(start + column.cursor),
      dataBytes: Math.floor(data / 2),
      byteCount: this.#at(start + column.byteCount),
      hasState: data % 2 === 1,
    };
  }

  /** The last row that starts at or before `seq`, or −1. */
  indexAt(seq: number): number {
    return this.#lastAtMost(column.from, seq);
  }

  /** The row with this cursor, or −1. */
  indexOfCursor(cursor: number): number {
    const index = this.#lastAtMost(column.cursor, cursor);
    return this.row(index)?.cursor === cursor ? index : -1;
  }

  setPlace(index: number, place: number): void {
    this.#values[(this.#first + index) * stride + column.place] = place;
  }

  /** Forgets the first rows. */
  dropFirst(count: number): void {
    this.#first += count;
  }

  #at(index: number): number {
    return this.#values[index] ?? 0;
  }

  #lastAtMost(which: number, value: number): number {
    let low = -1;
    let high = this.count;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#at((this.#first + middle) * stride + which) <= value) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Twice the room, or the dropped rows' room when they are half of it. */
  #makeRoom(): void {
    const kept = this.#values.subarray(this.#first * stride, this.#end * stride);
    const isHalfDropped = this.#first * 2 >= this.#end;
    const values = isHalfDropped ? this.#values : new Float64Array(this.#values.length * 2);
    values.set(kept);
    this.#values = values;
    this.#end -= this.#first;
    this.#first = 0;
  }
}

/** Receive order of one topic: cursor and log number of each range, ascending by cursor. */
export class ReceivedColumns {
  #values = new Float64Array(4);
  #end = 0;

  get count(): number {
    return this.#end;
  }

  push(cursor: number, log: number): void {
    if ((this.#end + 1) * 2 > this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#end * 2] = cursor;
    this.#values[this.#end * 2 + 1] = log;
    this.#end++;
  }

  cursorAt(index: number): number {
    return this.#values[index * 2] ?? 0;
  }

  logAt(index: number): number {
    return this.#values[index * 2 + 1] ?? 0;
  }

  /** The first row after `cursor`. */
  indexAfter(cursor: number): number {
    let low = -1;
    let high = this.#end;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.cursorAt(middle) <= cursor) low = middle;
      else high = middle;
    }
    return high;
  }

  /** Forgets the rows that are not kept. */
  filter(isKept: (cursor: number, log: number) => boolean): void {
    let count = 0;
    for (let index = 0; index < this.#end; index++) {
      const [cursor, log] = [this.cursorAt(index), this.logAt(index)];
      if (!isKept(cursor, log)) continue;
      this.#values[count * 2] = cursor;
      this.#values[count * 2 + 1] = log;
      count++;
    }
    this.#end = count;
  }
}
