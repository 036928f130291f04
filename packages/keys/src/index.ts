export type {
  BundleFlaw,
  BundleParse,
  BundleSecret,
  BundleVerdict,
  KeysIdentity,
  Lifetime,
  VerifiedBundle,
} from "./bundle.ts";
export type { BundleRegistry } from "./bundle-registry.ts";
export type { SealedMessage } from "./direct-message.ts";
export type { KeysErrorCode } from "./errors.ts";
export type { FollowKey, KeyAgreement } from "./key-ring.ts";
export type {
  DirectMessage,
  GiveOp,
  KeyOp,
  KeyOpFlaw,
  KeyOpParse,
  KeyRequestOp,
  RekeyOp,
} from "./op.ts";
export type { PrekeyPolicy, Prekeys } from "./prekeys.ts";
export type {
  Ratchet,
  RatchetReceiveInput,
  RatchetRefusal,
  RatchetSendInput,
  RatchetVerdict,
} from "./ratchet.ts";
export type { RatchetPair, RatchetState } from "./ratchet-state.ts";
export type { Carrier, IncomingOp, KeyRejection, KeyVerdict, OwnMessage } from "./receive.ts";
export type { Debts, OwedKeys, Payment } from "./sealing.ts";
export type { Secret } from "./secret.ts";
export type { GiveInput, KeyRequestInput, Rekeyed, RekeyInput } from "./send.ts";
export type { KeyState } from "./state.ts";
export type { Suite } from "./suite.ts";
export type {
  EpochId,
  EpochInfo,
  HistoryPolicy,
  KeyBundle,
  KeyLevel,
  Members,
  RekeyReason,
  SecretBytes,
} from "./types.ts";
export { createBundle, encodeBundle, isValidAt, parseBundle, verifyBundle } from "./bundle.ts";
export {
  addBundles,
  commonSuite,
  emptyRegistry,
  latestBundle,
  validBundle,
} from "./bundle-registry.ts";
export { KeysError } from "./errors.ts";
export { createKeyRing, epochReferenceOf } from "./key-ring.ts";
export {
  answersMax,
  attachmentBytesMax,
  authHeadsMax,
  bundleBytesMax,
  bundleSecondsMax,
  bundlesPerAuthorMax,
  currentFollowKeysMax,
  directMessagesMax,
  epochsPerOpMax,
  keyOpBytesMax,
  parentsMax,
  ratchetOffersMax,
  ratchetSkippedMax,
  ratchetTextBytesMax,
  suiteHybrid,
  suiteX25519,
} from "./limits.ts";
export { encodeKeyOp, parseKeyOp } from "./op.ts";
export {
  decodePrekeys,
  defaultPrekeyPolicy,
  dropExpiredPrekeys,
  encodePrekeys,
  holdsPrekeyOf,
  prekeyIsDue,
  rotatePrekey,
} from "./prekeys.ts";
export { createRatchet } from "./ratchet.ts";
export { paymentFor } from "./sealing.ts";
