/** The cases of docs/spec/vectors/conventions/v1, made anew from the builders. */
import { toHex, utf8 } from "@hawser/codec";
import {
  buildKeypoint,
  buildLinkpoint,
  handshakeDomain,
  lnsDomain,
  privateGroup,
  publicGroup,
  type Packet,
} from "@hawser/packet";
import { parseQuery, printQuery } from "@hawser/query";
import {
  buildClaim,
  buildPull,
  buildReverseEntry,
  buildStatusReply,
  buildStatusRequest,
  buildVote,
  claimUntilMax,
  handshakePhase0,
  handshakePhase1,
  handshakePhase2,
  statusPlace,
  toName,
} from "../../src/index.ts";
import { bytes32, crypto, hex, received, secretOf } from "./values.ts";

export interface VectorFile {
  readonly title: string;
  readonly conventions: string;
  readonly good: readonly VectorCase[];
  readonly bad: readonly (VectorCase & { readonly reason: string })[];
}

export interface VectorCase {
  readonly name: string;
  readonly spec: string;
  /** What it is read as. */
  readonly as: string;
  /** Hex. */
  readonly packet: string;
}

const subject = { domain: "app", group: publicGroup(), objectType: "process" };
const enckey =
  "$argon2d$v=19$m=8,t=1,p=1$tb0anwpH0rSbYe6JLd1Bgtf00QQUAYuhOcBqeSjAgW4$" +
  "kYAtGyF78cfPjRqcm4Y/s1hgQTRysELK/L910P2u27c";
const publicKey = hex("b5bd1a9f0a47d2b49b61ee892ddd4182d7f4d10414018ba139c06a7928c0816e");
const statements = ["group:=:[#:pub]", "domain:=:[a:board]", "prefix:=:/thread", ":qid:mine"];

/** Stamps of the handshake cases lie at this moment. */
export const handshakeMicros = 1_700_000_000_000_000;

function pull(): Packet<"verified"> {
  const parsed = parseQuery(statements, { nowMicros: () => 0 });
  if (!parsed.ok) throw new Error(parsed.message);
  const built = buildPull(crypto, parsed.query, 1n);
  if (!built.ok) throw new Error(built.reason);
  return built.packet;
}

function phases(): readonly Packet<"verified">[] {
  const party = (seed: number) => ({
    crypto,
    secret: secretOf(seed),
    nowMicros: () => handshakeMicros,
  });
  const phase0 = received(handshakePhase0(party(1)));
  const phase1 = handshakePhase1(party(2), phase0);
  if (!phase1.ok) throw new Error(phase1.reason);
  const phase2 = handshakePhase2(party(1), phase0, received(phase1.packet));
  if (!phase2.ok) throw new Error(phase2.reason);
  return [phase0, received(phase1.packet), received(phase2.packet)];
}

function goodCases(): readonly VectorCase[] {
  const request = buildStatusRequest(crypto, subject, 1n);
  const first = buildStatusReply(crypto, subject, { state: "ok", detail: "pid 7", stamp: 2n });
  const second = buildStatusReply(crypto, subject, { state: "error", previous: first, stamp: 3n });
  const key = { name: toName("me:local"), until: claimUntilMax, publicKey };
  const local = buildClaim(crypto, { ...key, data: utf8(enckey) });
  const open = buildClaim(crypto, {
    name: toName("john:example:test"),
    until: 1_800_000_000_000_000n,
    publicKey,
    group: bytes32(2),
    authorities: [{ key: bytes32(3), label: "root_1" }],
  });
  const vote = buildVote(crypto, open, { secret: secretOf(1), stamp: 5n });
  const links = [{ until: claimUntilMax, claim: local.packet.hash }];
  const entry = { tag: "pubkey@", pointer: publicKey, links, stamp: 1n } as const;
  const [phase0, phase1, phase2] = phases();
  const cases: readonly (readonly [string, string, string, Packet | undefined])[] = [
    ["status request", "§3.1", "status", request],
    ["first status reply", "§3.1", "status", first],
    ["second status reply", "§3.1", "status", second],
    ["pull request", "§4", "pull", pull()],
    ["key at me:local, empty password", "§5", "claim", local.packet],
    ["public claim", "§7.2", "claim", open.packet],
    ["vote", "§7.3", "vote", vote],
    ["reverse entry", "§7.4", "reverse", buildReverseEntry(crypto, entry)],
    ["handshake phase 0", "§6", "phase 0", phase0],
    ["handshake phase 1", "§6", "phase 1", phase1],
    ["handshake phase 2", "§6", "phase 2", phase2],
  ];
  return cases.map(([name, spec, as, packet]) => caseOf(name, spec, as, packet));
}

function badCases(): readonly (VectorCase & { readonly reason: string })[] {
  const place = statusPlace({ ...subject, instance: "x" });
  const data = utf8("OK\n");
  const init = [{ tag: "init", pointer: bytes32(0) }];
  const links = [{ tag: "pubkey@", pointer: bytes32(1) }];
  const claim = { domain: lnsDomain(), links, stamp: 0 };
  const good = pull();
  const pullPlace = { group: good.group, domain: good.domain, path: good.path, stamp: 1 };
  const [phase0, phase1] = phases();
  const link = { tag: "signed", pointer: phase0?.hash ?? bytes32(0) };
  const badPhase = buildKeypoint(
    crypto,
    {
      group: phase1?.group ?? bytes32(0),
      domain: handshakeDomain(),
      path: ["sentinal"],
      links: [link],
      stamp: handshakeMicros,
    },
    secretOf(2),
  );
  const without = utf8(printedWithout("group"));
  const cases: readonly (readonly [string, string, string, string, Packet | undefined])[] = [
    [
      "reply without links",
      "§3.1",
      "status",
      "STATUS_SHAPE",
      buildLinkpoint(crypto, { ...place, data, stamp: 0 }),
    ],
    [
      "reply without data",
      "§3.1",
      "status",
      "STATUS_SHAPE",
      buildLinkpoint(crypto, { ...place, links: init, stamp: 0 }),
    ],
    [
      "init that points somewhere",
      "§3.1",
      "status",
      "STATUS_LINK",
      buildLinkpoint(crypto, {
        ...place,
        data,
        links: [{ tag: "init", pointer: bytes32(1) }],
        stamp: 0,
      }),
    ],
    [
      "request in the group it is about",
      "§3.1",
      "status",
      "STATUS_SUBJECT",
      buildLinkpoint(crypto, { ...place, group: publicGroup(), stamp: 0 }),
    ],
    [
      "pull for every group",
      "§4",
      "pull",
      "PULL_GROUP",
      buildLinkpoint(crypto, { ...pullPlace, data: without }),
    ],
    [
      "pull without a query",
      "§4",
      "pull",
      "PULL_QUERY",
      buildLinkpoint(crypto, { ...pullPlace, data: utf8("x") }),
    ],
    [
      "pull in the group, unsigned",
      "§4",
      "pull",
      "PULL_SHAPE",
      buildLinkpoint(crypto, { ...pullPlace, group: publicGroup(), data: good.data }),
    ],
    [
      "local claim in the public group",
      "§7.2",
      "claim",
      "CLAIM_GROUP",
      buildLinkpoint(crypto, { ...claim, group: publicGroup(), path: ["claims", "local", "me"] }),
    ],
    [
      "claim without links",
      "§7.2",
      "claim",
      "CLAIM_LINKS",
      buildLinkpoint(crypto, {
        ...claim,
        links: [],
        group: publicGroup(),
        path: ["claims", "test"],
      }),
    ],
    [
      "signed claim",
      "§7.2",
      "claim",
      "CLAIM_KIND",
      buildKeypoint(
        crypto,
        { ...claim, group: publicGroup(), path: ["claims", "test"] },
        secretOf(1),
      ),
    ],
    [
      "claim of no name",
      "§7.1",
      "claim",
      "CLAIM_NAME",
      buildLinkpoint(crypto, { ...claim, group: privateGroup(), path: ["claims"] }),
    ],
    ["phase 1 with the tag of phase 2", "§6", "phase 1", "HANDSHAKE_SHAPE", received(badPhase)],
  ];
  return cases.map(([name, spec, as, reason, packet]) => ({
    ...caseOf(name, spec, as, packet),
    reason,
  }));
}

function printedWithout(field: string): string {
  const parsed = parseQuery(
    statements.filter((statement) => !statement.startsWith(field)),
    { nowMicros: () => 0 },
  );
  if (!parsed.ok) throw new Error(parsed.message);
  return printQuery(parsed.query);
}

function caseOf(name: string, spec: string, as: string, packet: Packet | undefined): VectorCase {
  if (packet === undefined) throw new Error(`no packet for ${name}`);
  return { name, spec, as, packet: toHex(packet.bytes) };
}

export function vectorFile(): VectorFile {
  return {
    title: "Linkspace conventions (docs/spec/conventions.md)",
    conventions:
      "packet: hex. Statuses are read for domain app, the public group, type process. Handshake phases are read at 1700000000000000 µs by the secrets 11×31 02 (client) and 11×31 03 (server), with phase 0 of `good`.",
    good: goodCases(),
    bad: badCases(),
  };
}
