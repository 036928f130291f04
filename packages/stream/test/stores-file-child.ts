/** A process that opens a file for writing and stays: stores-file.test.ts kills it. */
import { openFileBytes } from "@hawser/stream/node";

const path = process.argv[2] ?? "";
try {
  const store = await openFileBytes(path, { mode: "append" }).catch((error: unknown) => {
    const isAbsent = error instanceof Error && "code" in error && error.code === "BYTES_ABSENT";
    if (!isAbsent) throw error;
    return openFileBytes(path, { mode: "create" });
  });
  const size = await store.append(await store.size(), [new Uint8Array(10)]);
  await store.flush();
  process.stdout.write(`open ${size}\n`);
  // The event loop ends without a timer: this one is never due while the test runs.
  setInterval(() => undefined, 3_600_000);
} catch (error) {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  process.stdout.write(`${code}\n`);
}
