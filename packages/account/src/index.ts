/** A person and their devices (docs/spec/account.md). Layer 6. */
export type { Account, AccountDeps, AccountDevice, ApproveDeviceOptions } from "./account.ts";
export type { AccountErrorCode } from "./errors.ts";
export type { DeviceRequest } from "./messages.ts";
export type { ApproveOptions, PairingDeps, RequestOptions } from "./pairing.ts";
export type { RecoveryKeys } from "./phrase.ts";
export type { PaperDevice, RecoverOptions } from "./recover.ts";
export type { Mailbox, Rendezvous } from "./rendezvous.ts";
export type { ShareFacts, ShareOptions } from "./shares.ts";
export { createAccount, joinAccount, openAccount } from "./account.ts";
export { nameBytesMax } from "./device-names.ts";
export { AccountError } from "./errors.ts";
export {
  approvePairing,
  formatPairingCode,
  pairingTextBytesMax,
  parsePairingCode,
  requestPairing,
} from "./pairing.ts";
export { createRecoverySecret, phraseOf, recoveryKeysOf, secretOf } from "./phrase.ts";
export { createMemoryRendezvous, mailboxBytesMax, mailboxSlots } from "./rendezvous.ts";
export { recoverAccount } from "./recover.ts";
export { createRelayRendezvous } from "./relay-rendezvous.ts";
export { combineShares, readShare, sharesMax, splitSecret } from "./shares.ts";
