/**
 * ts-mls doing the same work as a space: removing a member and sending 1 kB messages, in a group
 * whose sender and one receiver are at hand and whose other members exist as key packages alone.
 * Over WebCrypto, its default and fastest back end. Every message goes through its wire encoding.
 */
import {
  acceptAll,
  type CiphersuiteImpl,
  type CiphersuiteName,
  type ClientState,
  createApplicationMessage,
  createCommit,
  createGroup,
  decodeMlsMessage,
  defaultCapabilities,
  defaultLifetime,
  emptyPskIndex,
  encodeMlsMessage,
  generateKeyPackage,
  getCiphersuiteFromName,
  getCiphersuiteImpl,
  joinGroup,
  mlsExporter,
  processMessage,
  type ProcessMessageResult,
  type Proposal,
} from "ts-mls";

/** A group; the states are immutable, so each piece of work can be done again from the same one. */
export interface MlsGroup {
  readonly suite: CiphersuiteImpl;
  readonly sender: ClientState;
  readonly receiver: ClientState;
  /** Who is to be removed, as it is itself: to check that it learns nothing. */
  readonly removed: ClientState;
}

type KeyPackages = Awaited<ReturnType<typeof generateKeyPackage>>;

const removedLeaf = 1;

/** X25519 with AES-128-GCM, which WebCrypto does natively. */
export const mlsX25519: CiphersuiteName = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";
/** X-Wing; the signatures stay Ed25519. */
export const mlsXWing: CiphersuiteName = "MLS_256_XWING_AES256GCM_SHA512_Ed25519";

/**
 * A group of `size`, all added by one commit. `filled`: one member of each subtree beside the
 * sender's path has made a commit of its own, which is as good as a tree gets for this sender.
 */
export async function createMlsGroup(
  name: CiphersuiteName,
  size: number,
  tree: "fresh" | "filled",
): Promise<MlsGroup> {
  const suite = await getCiphersuiteImpl(getCiphersuiteFromName(name));
  const keyPackage = (member: number): Promise<KeyPackages> => {
    const identity = new TextEncoder().encode(`member ${member}`);
    const credential = { credentialType: "basic", identity } as const;
    return generateKeyPackage(credential, defaultCapabilities(), defaultLifetime, [], suite);
  };
  const founder = await keyPackage(0);
  const others: KeyPackages[] = [];
  for (let member = 1; member < size; member++) others.push(await keyPackage(member));
  const groupId = new TextEncoder().encode("bench");
  const { publicPackage, privatePackage } = founder;
  const founded = await createGroup(groupId, publicPackage, privatePackage, [], suite);
  const extraProposals = others.map((other): Proposal => {
    return { proposalType: "add", add: { keyPackage: other.publicPackage } };
  });
  const added = await createCommit({ state: founded, cipherSuite: suite }, { extraProposals });
  const { welcome, newState } = added;
  if (welcome === undefined) throw new Error("a commit that adds has a welcome");
  const join = async (member: number): Promise<ClientState> => {
    const own = others[member - 1];
    if (own === undefined) throw new Error(`no member ${member}`);
    const tree = newState.ratchetTree;
    return joinGroup(welcome, own.publicPackage, own.privatePackage, emptyPskIndex, suite, tree);
  };
  // The removed member, then the first leaf of each subtree beside the sender's path.
  const leaves = [removedLeaf];
  for (let leaf = 2; leaf < size; leaf *= 2) leaves.push(leaf);
  const members = [newState];
  for (const leaf of tree === "fresh" ? [1, 2] : leaves) members.push(await join(leaf));
  if (tree === "filled") await commitInTurn(suite, members);
  const [sender, removed, receiver] = members;
  if (sender === undefined || removed === undefined || receiver === undefined) {
    throw new Error("a group has three members at least");
  }
  return { suite, sender, receiver, removed };
}

/** Everybody but the founder makes an empty commit, which fills the nodes on its path. */
async function commitInTurn(suite: CiphersuiteImpl, members: ClientState[]): Promise<void> {
  for (let turn = 1; turn < members.length; turn++) {
    const author = members[turn];
    if (author === undefined) continue;
    const { commit, newState } = await createCommit({ state: author, cipherSuite: suite });
    const bytes = encodeMlsMessage(commit);
    for (const [index, member] of members.entries()) {
      members[index] = index === turn ? newState : await receive(suite, member, bytes);
    }
  }
}

/** Removes a member: the bytes of the commit and the sender's next state. */
export async function removeFromMls({
  suite,
  sender,
}: MlsGroup): Promise<{ readonly bytes: Uint8Array; readonly sender: ClientState }> {
  const proposal: Proposal = { proposalType: "remove", remove: { removed: removedLeaf } };
  const context = { state: sender, cipherSuite: suite };
  const { commit, newState } = await createCommit(context, { extraProposals: [proposal] });
  return { bytes: encodeMlsMessage(commit), sender: newState };
}

/** The state after a commit from the wire. */
export async function receive(
  suite: CiphersuiteImpl,
  state: ClientState,
  bytes: Uint8Array,
): Promise<ClientState> {
  return (await take(suite, state, bytes)).newState;
}

/** Throws unless sender and receiver agree on a secret that the removed member does not reach. */
export async function checkRemoval(group: MlsGroup): Promise<void> {
  const { suite } = group;
  const { bytes, sender } = await removeFromMls(group);
  const receiver = await receive(suite, group.receiver, bytes);
  const removed = await receive(suite, group.removed, bytes).catch(() => group.removed);
  const [ours, theirs, old] = await Promise.all(
    [sender, receiver, removed].map((state) =>
      mlsExporter(state.keySchedule.exporterSecret, "bench", new Uint8Array(0), 32, suite),
    ),
  );
  if (String(ours) !== String(theirs)) throw new Error("the members disagree");
  if (String(ours) === String(old)) throw new Error("the removed member has the new secret");
}

/** Application messages one after another, as they go out. */
export async function sendOverMls(
  { suite, sender }: MlsGroup,
  bodies: readonly Uint8Array[],
): Promise<readonly Uint8Array[]> {
  const messages: Uint8Array[] = [];
  let state = sender;
  for (const body of bodies) {
    const { newState, privateMessage } = await createApplicationMessage(state, body, suite);
    state = newState;
    const message = {
      privateMessage,
      wireformat: "mls_private_message",
      version: "mls10",
    } as const;
    messages.push(encodeMlsMessage(message));
  }
  return messages;
}

/** Opens messages in order; the bytes of their bodies. */
export async function readOverMls(
  { suite, receiver }: MlsGroup,
  messages: readonly Uint8Array[],
): Promise<number> {
  let state = receiver;
  let byteCount = 0;
  for (const bytes of messages) {
    const taken = await take(suite, state, bytes);
    if (taken.kind !== "applicationMessage") throw new Error("no application message");
    state = taken.newState;
    byteCount += taken.message.length;
  }
  return byteCount;
}

async function take(
  suite: CiphersuiteImpl,
  state: ClientState,
  bytes: Uint8Array,
): Promise<ProcessMessageResult> {
  const message = decodeMlsMessage(bytes, 0)?.[0];
  if (message?.wireformat !== "mls_private_message") throw new Error("no private message");
  return processMessage(message, state, emptyPskIndex, acceptAll, suite);
}
