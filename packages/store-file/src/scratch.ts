/**
 * A ByteWriter whose buffer is used again and again: a commit of one entry would spend more time on
 * allocating buffers than on filling them. Layer 4; no I/O.
 */
import type { ByteWriter } from "@hawser/codec";

export class ScratchWriter implements ByteWriter {
  #buffer = new Uint8Array(4_096);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Starts anew; views given before are overwritten. */
  reset(): void {
    this.#size = 0;
  }

  /** What was written since the last reset, until the next. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#size++] = value;
  }

  u16(value: number): void {
    this.u8(value >>> 8);
    this.u8(value & 0xff);
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }

  u64(value: number): void {
    this.u32(Math.floor(value / 2 ** 32));
    this.u32(value % 2 ** 32);
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#size);
    this.#size += value.length;
  }

  sized(value: Uint8Array): void {
    this.varint(value.length);
    this.bytes(value);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#size);
  }

  #reserve(count: number): void {
    if (this.#size + count <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#size + count, this.#buffer.length * 2));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}
