import fc from "fast-check";
import { expect, test } from "vitest";
import { createStreamHandler } from "@hawser/stream/http";
import { makeStream } from "./http-helpers.ts";

test("[IW-http] whatever is asked, the handler answers, keeps the stream, and never fails", async () => {
  const { stream, store } = await makeStream(1);
  const before = store.contents();
  const host = {
    list: async () => [stream.id],
    open: async (id: string) => (id === stream.id ? { stream, store } : undefined),
  };
  const handler = createStreamHandler({ host }, { basePath: "/iw" });
  const path = fc.oneof(
    fc.constantFrom(
      `/iw/${stream.id}`,
      `/iw/${stream.id}/1`,
      `/iw/${stream.id}/1?meta=1`,
      "/iw/streams",
    ),
    fc.webPath(),
    fc.webPath().map((text) => `/iw${text}`),
    fc.nat(9).map((seq) => `/iw/${stream.id}/${seq}`),
  );
  const count = fc.nat(400);
  const range = fc.oneof(
    fc.tuple(count, count).map(([from, to]) => `bytes=${from}-${to}`),
    count.map((from) => `bytes=${from}-`),
    count.map((last) => `bytes=-${last}`),
    fc.stringMatching(/^[ -~]{0,20}$/),
  );
  const headers = fc.record(
    {
      range,
      "if-match": fc.constantFrom("*", '"x"'),
      "if-none-match": fc.constantFrom("*", '"x"'),
    },
    { requiredKeys: [] },
  );
  const method = fc.constantFrom("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH");
  const body = fc.uint8Array({ maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(method, path, headers, body, async (name, where, some, bytes) => {
      const hasBody = name === "POST" || name === "PUT";
      const request = new Request(`http://host.test${where}`, {
        method: name,
        headers: Object.fromEntries(Object.entries(some)),
        ...(hasBody ? { body: Uint8Array.from(bytes) } : {}),
      });
      const response = await handler(request);
      const answer = new Uint8Array(await response.arrayBuffer());
      expect(response.status).toBeLessThan(500);
      if (name === "HEAD") expect(answer.length).toBe(0);
      const length = response.headers.get("content-length");
      if (name === "GET" && length !== null) expect(answer.length).toBe(Number(length));
      if (response.status === 206)
        expect(response.headers.get("content-range")).toMatch(/^bytes \d+-\d+\/\d+$/);
      expect(Buffer.compare(store.contents(), before)).toBe(0);
    }),
    { seed: 7, numRuns: 400 },
  );
});
