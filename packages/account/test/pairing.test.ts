/** Pairing: who has the code gets through, who stands between gets nothing. */
import { describe, expect, it } from "vitest";
import { utf8 } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import {
  approvePairing,
  createMemoryRendezvous,
  parsePairingCode,
  requestPairing,
  type Mailbox,
  type Rendezvous,
} from "../src/index.ts";

const crypto = createNobleCrypto();
const text = new TextDecoder();

/** What somebody who runs the mailbox does with the message of a slot. */
type Tamper = (slot: number, message: Uint8Array) => Uint8Array;

function tampered(rendezvous: Rendezvous, tamper: Tamper): Rendezvous {
  const wrap = (mailbox: Mailbox): Mailbox => ({
    ...mailbox,
    put: (slot, message, options) => mailbox.put(slot, tamper(slot, message), options),
  });
  return {
    claim: async (options) => wrap(await rendezvous.claim(options)),
    open: async (name, options) => wrap(await rendezvous.open(name, options)),
  };
}

interface Scene {
  readonly rendezvous?: Rendezvous;
  /** What the newcomer types, given the code that is shown. */
  readonly typed?: (code: string) => string;
  readonly decide?: (request: Uint8Array) => Promise<Uint8Array | undefined>;
}

/** One attempt; each side's result, or the code of its error. */
async function pair(scene: Scene = {}) {
  const rendezvous = scene.rendezvous ?? createMemoryRendezvous();
  const { signal } = new AbortController();
  const shown = Promise.withResolvers<string>();
  const asked: string[] = [];
  const codeOf = (error: unknown): string => (error as { readonly code: string }).code;
  const approver = approvePairing(
    { crypto, rendezvous, random: seededRandom("approver") },
    {
      onCode: shown.resolve,
      decide: (request) => {
        asked.push(text.decode(request));
        return (scene.decide ?? (() => Promise.resolve(utf8("welcome"))))(request);
      },
      signal,
    },
  ).then((request) => text.decode(request), codeOf);
  const code = await shown.promise;
  const newcomer = requestPairing(
    { crypto, rendezvous, random: seededRandom("newcomer") },
    { code: (scene.typed ?? ((it) => it))(code), request: utf8("a phone"), signal },
  ).then((answer) => text.decode(answer), codeOf);
  return { approver: await approver, newcomer: await newcomer, asked, code, rendezvous };
}

/** The same code with its last digit changed. */
function mistyped(code: string): string {
  return code.slice(0, -1) + String((Number(code.at(-1)) + 1) % 10);
}

describe("pairing", () => {
  it("[NB-8] a device with the code is let in, and the answer reaches it alone", async () => {
    const { approver, newcomer, asked, code } = await pair();
    expect(code).toMatch(/^\d{4}-\d{4}-\d{4}$/);
    expect(approver).toBe("a phone");
    expect(newcomer).toBe("welcome");
    expect(asked).toEqual(["a phone"]);
  });

  it("a code may be typed without its dashes, or with spaces", async () => {
    const { newcomer } = await pair({ typed: (code) => code.replaceAll("-", " ") });
    expect(newcomer).toBe("welcome");
    expect(parsePairingCode("123456789012")).toEqual({ name: "1234", password: "56789012" });
  });

  it.each(["", "1234-5678-901", "1234-5678-90123", "1234-5678-901a", "١٢٣٤-5678-9012"])(
    "%j is no code",
    (code) => {
      expect(() => parsePairingCode(code)).toThrowError(
        expect.objectContaining({ code: "ACCOUNT_CODE_INVALID" }),
      );
    },
  );

  it("a wrong code fails on both sides, nobody is asked, and the code is used up", async () => {
    const { approver, newcomer, asked, code, rendezvous } = await pair({ typed: mistyped });
    expect(newcomer).toBe("ACCOUNT_CODE_WRONG");
    expect(approver).toBe("ACCOUNT_MAILBOX_CLOSED");
    expect(asked).toEqual([]);
    const again = requestPairing(
      { crypto, rendezvous, random: seededRandom("again") },
      { code, request: utf8("a thief"), signal: new AbortController().signal },
    );
    await expect(again).rejects.toMatchObject({ code: "ACCOUNT_MAILBOX_CLOSED" });
  });

  it("whoever goes on with a wrong code all the same is told apart by the approver", async () => {
    const rendezvous = createMemoryRendezvous();
    const { signal } = new AbortController();
    const shown = Promise.withResolvers<string>();
    const approver = approvePairing(
      { crypto, rendezvous, random: seededRandom("approver") },
      { onCode: shown.resolve, decide: () => Promise.reject(new Error("asked")), signal },
    );
    const thief = (async () => {
      const { name } = parsePairingCode(await shown.promise);
      const mailbox = await rendezvous.open(name, { signal });
      // A point that decodes, and a tag out of thin air.
      const approvers = await mailbox.take(0, { signal });
      expect(approvers.length).toBe(16);
      const { startCpace } = await import("@hawser/crypto/cpace");
      const run = startCpace(
        {
          password: utf8("00000000"),
          channel: utf8("hawser pairing v1"),
          sessionId: approvers,
          role: "initiator",
          associatedData: new Uint8Array(0),
        },
        seededRandom("thief"),
      );
      await mailbox.put(1, run.message, { signal });
      await mailbox.take(2, { signal });
      await mailbox.put(3, new Uint8Array(200), { signal });
    })();
    await expect(approver).rejects.toMatchObject({ code: "ACCOUNT_CODE_WRONG" });
    await thief;
  });

  it("a refusal reaches the new device as one", async () => {
    const { approver, newcomer } = await pair({ decide: () => Promise.resolve(undefined) });
    expect(approver).toBe("ACCOUNT_PAIRING_DENIED");
    expect(newcomer).toBe("ACCOUNT_PAIRING_DENIED");
  });

  it("an approver that fails in the middle leaves no open mailbox", async () => {
    const { approver, newcomer } = await pair({
      decide: () => Promise.reject(Object.assign(new Error("disk full"), { code: "DISK" })),
    });
    expect(approver).toBe("DISK");
    expect(newcomer).toBe("ACCOUNT_MAILBOX_CLOSED");
  });

  it.each([0, 1, 2, 3, 4])("a relay that changes slot %i lets nobody in", async (slot) => {
    for (const position of [0, 5, 40, 70, 90]) {
      const flip: Tamper = (at, message) => {
        if (at !== slot) return message;
        const copy = message.slice();
        const index = Math.min(position, copy.length - 1);
        copy[index] = (copy[index] ?? 0) ^ 1;
        return copy;
      };
      const rendezvous = tampered(createMemoryRendezvous(), flip);
      const { approver, newcomer, asked } = await pair({ rendezvous });
      expect(newcomer).toMatch(/^ACCOUNT_/);
      // A changed answer is the one thing that comes after the person was asked.
      if (slot < 4) expect(asked).toEqual([]);
      if (slot < 4) expect(approver).toMatch(/^ACCOUNT_/);
    }
  });

  it.each([0, 1, 2, 3, 4])("a relay that cuts or empties slot %i stops it", async (slot) => {
    for (const part of [0, 0.5, 0.99]) {
      const cut: Tamper = (at, message) =>
        at === slot ? message.slice(0, Math.floor(message.length * part)) : message;
      const rendezvous = tampered(createMemoryRendezvous(), cut);
      const { newcomer } = await pair({ rendezvous });
      expect(newcomer).toMatch(/^ACCOUNT_/);
    }
  });

  it("who comes second to a mailbox does not end the pairing of the first", async () => {
    const rendezvous = createMemoryRendezvous();
    const { signal } = new AbortController();
    let second: Promise<unknown> = Promise.resolve();
    const { approver, newcomer } = await pair({
      rendezvous,
      decide: async () => {
        const deps = { crypto, rendezvous, random: seededRandom("second") };
        const request = utf8("a stranger");
        second = requestPairing(deps, { code: "0000-1234-5678", request, signal }).catch(
          (error: { readonly code: string }) => error.code,
        );
        expect(await second).toBe("ACCOUNT_MAILBOX_CLOSED");
        return utf8("welcome");
      },
    });
    expect(approver).toBe("a phone");
    expect(newcomer).toBe("welcome");
  });

  it("whoever has gone before the person said yes is found out", async () => {
    const rendezvous = createMemoryRendezvous();
    const { signal } = new AbortController();
    const impatient = new AbortController();
    const shown = Promise.withResolvers<string>();
    let admitted = 0;
    const approving = approvePairing(
      { crypto, rendezvous, random: seededRandom("approver") },
      {
        onCode: shown.resolve,
        decide: async (_request, stillWaits) => {
          impatient.abort();
          await expect(asking).rejects.toMatchObject({ name: "AbortError" });
          await stillWaits();
          admitted += 1;
          return utf8("welcome");
        },
        signal,
      },
    );
    const asking = requestPairing(
      { crypto, rendezvous, random: seededRandom("newcomer") },
      { code: await shown.promise, request: utf8("a phone"), signal: impatient.signal },
    );
    asking.catch(() => undefined);
    await expect(approving).rejects.toMatchObject({ code: "ACCOUNT_MAILBOX_CLOSED" });
    expect(admitted).toBe(0);
  });

  it("ends when it is called off", async () => {
    const abort = new AbortController();
    const pending = approvePairing(
      { crypto, rendezvous: createMemoryRendezvous(), random: seededRandom("approver") },
      {
        onCode: () => abort.abort(),
        decide: () => Promise.resolve(undefined),
        signal: abort.signal,
      },
    );
    await expect(pending).rejects.toMatchObject({ name: "AbortError" });
  });

  it("codes do not repeat, and every digit comes up", async () => {
    const codes: string[] = [];
    const rendezvous = createMemoryRendezvous();
    const random = seededRandom("codes");
    for (let count = 0; count < 40; count++) {
      const abort = new AbortController();
      const onCode = (code: string): void => {
        codes.push(code);
        abort.abort();
      };
      const decide = () => Promise.resolve(undefined);
      await approvePairing(
        { crypto, rendezvous, random },
        { onCode, decide, signal: abort.signal },
      ).catch(() => undefined);
    }
    expect(new Set(codes.map((code) => code.slice(4))).size).toBe(40);
    expect(new Set(codes.join("").replaceAll("-", "")).size).toBe(10);
  });

  it("too long a request or answer is refused before it is sent", async () => {
    const long = new Uint8Array(4_097);
    const { approver } = await pair({ decide: () => Promise.resolve(long) });
    expect(approver).toBe("ACCOUNT_OUT_OF_RANGE");
    const rendezvous = createMemoryRendezvous();
    const { signal } = new AbortController();
    const code = "0000-0000-0000";
    const request = requestPairing(
      { crypto, rendezvous, random: seededRandom("x") },
      { code, request: long, signal },
    );
    await expect(request).rejects.toMatchObject({ code: "ACCOUNT_OUT_OF_RANGE" });
  });
});
