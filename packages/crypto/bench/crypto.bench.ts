/**
 * Operations a second of every back end, one table per primitive. Run by `pnpm bench crypto`, or
 * alone: `node --conditions=hawser-source packages/crypto/bench/crypto.bench.ts`.
 *
 * Each back end is measured through the public `Crypto`, so argument checks and labels are in the
 * figures. The best of several rounds counts: the machine may be shared.
 */
import { utf8 } from "@hawser/codec";
import { createCrypto, type Crypto } from "@hawser/crypto";
import { createHybridHpke } from "@hawser/crypto/hybrid";
import { seededRandom } from "@hawser/crypto/testing";

type Demanded = Partial<Crypto["backEnds"]>;
type Operation = (crypto: Crypto) => () => unknown;

interface Row {
  readonly name: string;
  readonly operation: Operation;
}

const random = seededRandom("crypto bench");
const key = random(32);
const nonce = random(24);
const secret = random(32);
const associatedData = random(80);
const point = random(300);
const hybrid = createHybridHpke();
const message = { info: utf8("bench"), associatedData: utf8("bench") };

const hashRows: readonly Row[] = [64, 200, 400, 4096, 65_536].flatMap((size) => {
  const input = random(size);
  return [
    { name: `hash ${size} B`, operation: (crypto) => () => crypto.hash(input) },
    { name: `keyed hash ${size} B`, operation: (crypto) => () => crypto.keyedHash(key, input) },
  ] satisfies Row[];
});

const signatureRows: readonly Row[] = [
  { name: "sign point 300 B", operation: (crypto) => () => crypto.signPoint(point, secret) },
  {
    name: "verify point 300 B",
    operation: (crypto) => {
      const signature = crypto.signPoint(point, secret);
      const publicKey = crypto.publicKey(secret);
      return () => crypto.verifyPoint(point, signature, publicKey);
    },
  },
  { name: "public key", operation: (crypto) => () => crypto.publicKey(secret) },
];

const aeadRows: readonly Row[] = [64, 300, 2048, 4096, 65_536].flatMap((size) => {
  const text = random(size);
  return [
    {
      name: `seal once ${size} B`,
      operation: (crypto) => () => crypto.sealOnce(key, text, associatedData),
    },
    {
      name: `open once ${size} B`,
      operation: (crypto) => {
        const sealed = crypto.sealOnce(key, text, associatedData);
        return () => crypto.openOnce(key, sealed, associatedData);
      },
    },
    {
      name: `seal ${size} B`,
      operation: (crypto) => () => crypto.seal(key, nonce, text, associatedData),
    },
  ] satisfies Row[];
});

const aesRows: readonly Row[] = [300, 4096, 65_536].flatMap((size) => {
  const text = random(size);
  const shortNonce = random(12);
  return [
    {
      name: `seal AES ${size} B`,
      operation: (crypto) => () => crypto.sealAes(key, shortNonce, text, associatedData),
    },
    {
      name: `open AES ${size} B`,
      operation: (crypto) => {
        const sealed = crypto.sealAes(key, shortNonce, text, associatedData);
        return () => crypto.openAes(key, shortNonce, sealed, associatedData);
      },
    },
  ] satisfies Row[];
});

const agreementRows: readonly Row[] = [
  { name: "X25519 public key", operation: (crypto) => () => crypto.agreementKey(secret) },
  {
    name: "X25519 agree",
    operation: (crypto) => {
      const share = crypto.agreementKey(key);
      return () => crypto.agree(secret, share);
    },
  },
  {
    name: "HPKE seal 200 B",
    operation: (crypto) => {
      const recipient = crypto.agreementKey(key);
      const text = random(200);
      return () => crypto.hpkeSeal(recipient, text, message, random);
    },
  },
];

const hybridRows: readonly Row[] = [
  { name: "X-Wing public key", operation: () => () => hybrid.publicKey(secret) },
  {
    name: "HPKE X-Wing seal 200 B",
    operation: () => {
      const recipient = hybrid.publicKey(key);
      const text = random(200);
      return () => hybrid.seal(recipient, text, message, random);
    },
  },
  {
    name: "HPKE X-Wing open 200 B",
    operation: () => {
      const sealed = hybrid.seal(hybrid.publicKey(key), random(200), message, random);
      return () => hybrid.open(key, sealed, message);
    },
  },
];

const kdfRows: readonly Row[] = [
  { name: "HKDF 32 B", operation: (crypto) => () => crypto.hkdf(secret, key, key, 32) },
  {
    name: "derive key 64 B",
    operation: (crypto) => () => crypto.deriveKey("hawser bench v1", associatedData),
  },
];

const tables: readonly {
  readonly rows: readonly Row[];
  readonly columns: Readonly<Record<string, Demanded>>;
}[] = [
  { rows: hashRows, columns: { noble: { hash: "noble" }, wasm: { hash: "wasm" } } },
  { rows: signatureRows, columns: { noble: { signature: "noble" }, wasm: { signature: "wasm" } } },
  { rows: aeadRows, columns: { noble: { aead: "noble" }, native: { aead: "native" } } },
  { rows: aesRows, columns: { noble: { aes: "noble" }, native: { aes: "native" } } },
  {
    rows: agreementRows,
    columns: { noble: { agreement: "noble" }, native: { agreement: "native" } },
  },
  { rows: hybridRows, columns: { noble: {} } },
  { rows: kdfRows, columns: { noble: { kdf: "noble" }, native: { kdf: "native" } } },
];

const roundMs = 100;
const rounds = 5;

/** Operations a second of the best of several rounds. The first round only warms up. */
function rate(operation: () => unknown): number {
  let best = 0;
  for (let round = 0; round <= rounds; round++) {
    let count = 0;
    const start = performance.now();
    let elapsed = 0;
    for (let batch = 1; elapsed < roundMs; batch = Math.min(batch * 2, 256)) {
      for (let index = 0; index < batch; index++) operation();
      count += batch;
      elapsed = performance.now() - start;
    }
    if (round > 0) best = Math.max(best, (count / elapsed) * 1000);
  }
  return best;
}

function format(opsPerSecond: number): string {
  const rounded = opsPerSecond < 1000 ? Math.round(opsPerSecond * 10) / 10 : opsPerSecond;
  return rounded.toLocaleString("en", { maximumSignificantDigits: 3 });
}

for (const { rows, columns } of tables) {
  const cryptos: readonly (readonly [string, Crypto])[] = await Promise.all(
    Object.entries(columns).map(
      async ([name, backEnds]) => [name, await createCrypto({ backEnds })] as const,
    ),
  );
  const header = cryptos.map(([name]) => name.padStart(14)).join("");
  console.log(`\n${"operations a second".padEnd(24)}${header}`);
  for (const { name, operation } of rows) {
    const rates = cryptos.map(([, crypto]) => rate(operation(crypto)));
    console.log(name.padEnd(24) + rates.map((value) => format(value).padStart(14)).join(""));
  }
}
