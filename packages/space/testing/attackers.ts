/**
 * Attackers with what each of them really has. A *stranger* has a key of its own (`villain`) and what
 * `forge` makes of it; a *removed member* and a *reader* are devices of a world whose logs `forge`
 * and `forgeControl` continue past all checks; the rest is here. An attack puts one of them against
 * honest devices and asks what those hold, read and say afterwards.
 */
import { parseOp, proveJoin, type AuthOp } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { EncodedRange } from "@hawser/log";
import { metadataKeyOf, parseInviteLink } from "@hawser/space";
import type { IngestOutcome } from "@hawser/sync";
import {
  authContent,
  bundleContent,
  bundleOf,
  forgeControl,
  joinBinding,
  opBytes,
  readOps,
  type OpenedOps,
  type Villain,
} from "./forge.ts";
import type { Device, World } from "./world.ts";

/** What a malicious relay does to the ranges it passes on; all of it is its choice. */
export interface RelayMischief {
  /** Keeps some ranges from everybody. */
  readonly withhold?: (range: EncodedRange) => boolean;
  /** Changes what it passes on. */
  readonly tamper?: (range: EncodedRange) => EncodedRange;
  /** In which order; as taken without. */
  readonly reorder?: (ranges: readonly EncodedRange[]) => readonly EncodedRange[];
  /** How often each range is handed over; 1 without. */
  readonly times?: number;
}

/** A relay that keeps every range it ever saw and owes nobody the truth. */
export interface MaliciousRelay {
  /** Takes everything a device has of its topics. */
  take(from: Device): Promise<void>;
  /** Hands it on, in its own way; what the honest device said to each range. */
  give(to: Device, mischief?: RelayMischief): Promise<readonly IngestOutcome["status"][]>;
  /** Everything it has, oldest first. */
  readonly ranges: readonly EncodedRange[];
}

/** A relay outside of every store. */
export function createMaliciousRelay(): MaliciousRelay {
  const ranges: EncodedRange[] = [];
  return {
    take: async (from) => {
      for (const { topic } of from.spaces.topics()) {
        for (const { logId } of await from.store.heads(topic)) {
          for await (const range of from.store.ranges(logId)) ranges.push(range);
        }
      }
    },
    give: async (to, mischief = {}) => {
      const { withhold, tamper, reorder, times = 1 } = mischief;
      const kept = withhold === undefined ? ranges : ranges.filter((range) => !withhold(range));
      const outcomes: IngestOutcome["status"][] = [];
      for (const range of reorder?.(kept) ?? kept) {
        for (let count = 0; count < times; count++) {
          outcomes.push((await to.spaces.ingest(tamper?.(range) ?? range)).status);
        }
      }
      return outcomes;
    },
    ranges,
  };
}

/**
 * An author with two faces: the device and its double have one key and one history, and from now on
 * each shows another. Whatever both write forks the author's logs.
 */
export async function equivocate(
  world: World,
  author: Device,
): Promise<{ readonly one: Device; readonly other: Device }> {
  return { one: author, other: await world.duplicate(author) };
}

/**
 * Somebody with a device's disk and its keys, as they are now: reads what the device reads, writes
 * under its name, and keeps that after the device was revoked.
 */
export function stealDevice(world: World, device: Device): Promise<Device> {
  return world.duplicate(device);
}

/** What a thief makes of a link and a copy of the control logs. */
export interface StolenLink {
  readonly opened: OpenedOps;
  /** The invite operation of the link. */
  readonly invite: AuthOp;
  /** A joining log of `who`, with further control entries behind it, and the id of its join. */
  join(
    who: Villain,
    options?: { readonly more?: readonly Uint8Array[]; readonly deps?: AuthOp["deps"] },
  ): Promise<{ readonly range: EncodedRange; readonly id: string }>;
}

/** Throws where the link names no invite that `from` knows. */
export async function stealLink(world: World, text: string, from: Device): Promise<StolenLink> {
  const { crypto } = world;
  const link = parseInviteLink(crypto, text);
  const metadataKey = metadataKeyOf(crypto, link.id);
  // Safe: a public key in hex.
  const key = toHex(crypto.publicKey(link.secret)) as AuthorId;
  for (const { topic } of from.spaces.topics()) {
    const opened = await readOps(crypto, from.store, topic, metadataKey);
    const invite = opened.ops.find(
      ({ action }) => action.type === "invite" && action.invite === key,
    );
    if (invite === undefined) continue;
    const join: StolenLink["join"] = async (who, { more = [], deps = [invite.id] } = {}) => {
      const bundle = bundleOf(crypto, who, world.now());
      const time = Math.floor(world.now() / 1e6);
      const binding = joinBinding(crypto, bundle);
      const claim = { group: opened.group, author: who.author, binding, time };
      const op = opBytes(crypto, who, opened.group, deps, proveJoin(crypto, claim, link.secret));
      const parsed = parseOp(crypto, op);
      if (!parsed.ok) throw new Error("a join that does not parse");
      const base = { crypto, topic, who, now: world.now(), metadataKey };
      const contents = [bundleContent(bundle), authContent(op), ...more];
      return { range: await forgeControl(base, contents), id: parsed.op.id };
    };
    return { opened, invite, join };
  }
  throw new Error("the invite is not there");
}
