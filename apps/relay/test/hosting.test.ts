import { SpaceError, type Space } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { createHosting, isFull } from "../src/hosting.ts";
import { createDevice } from "./help.ts";

describe("hosting", () => {
  test("takes requests one after another, so that no two find the last place free", async () => {
    const { spaces } = await createDevice("ada");
    const steps: string[] = [];
    const space = await spaces.create();
    const follow = async (request: Uint8Array): Promise<Space> => {
      steps.push(`begin ${request[0]}`);
      await new Promise((resolve) => setImmediate(resolve));
      steps.push(`end ${request[0]}`);
      return space;
    };
    const hosting = createHosting({ ...spaces, follow });
    const outcomes = [1, 2].map((n) => hosting.host(new Uint8Array([n])));
    await hosting.idle();
    expect(steps).toEqual(["begin 1", "end 1", "begin 2", "end 2"]);
    expect(await Promise.all(outcomes)).toEqual(["hosted", "hosted"]);
  });

  test("[P2-W4] a request that contradicts the hosted space is told so, and is no failure", async () => {
    const { spaces } = await createDevice("ada");
    const error = new SpaceError("SPACE_EXISTS", "another founding operation");
    const hosting = createHosting({ ...spaces, follow: () => Promise.reject(error) });
    expect(await hosting.host(new Uint8Array(1))).toBe("conflict");
  });

  test("a failure of its own is no verdict on the request, and the next one is taken", async () => {
    const { spaces } = await createDevice("ada");
    const space = await spaces.create();
    const results = [() => Promise.reject(new Error("disk")), () => Promise.resolve(space)];
    const hosting = createHosting({ ...spaces, follow: () => results.shift()!() });
    await expect(hosting.host(new Uint8Array(1))).rejects.toThrow("disk");
    expect(await hosting.host(new Uint8Array(1))).toBe("hosted");
  });

  test.each([
    [0, 0, false],
    [1, 0, false],
    [2, 0, true],
    [0, 9 * 1024 * 1024, false],
    [0, 9 * 1024 * 1024 + 1, true],
  ])("%d of 2 spaces and %d of 10 MiB: full is %s", (topics, bytes, full) => {
    expect(isFull(topics, bytes, { topicsMax: 2, storeBytesMax: 10 * 1024 * 1024 })).toBe(full);
  });
});
