export type { MaliciousRelay, RelayMischief, StolenLink } from "./attackers.ts";
export type { Fake, ForgeOptions, OpenedOps, Villain } from "./forge.ts";
export type { Device, DeviceOptions, World, WorldOptions } from "./world.ts";
export { createMaliciousRelay, equivocate, stealDevice, stealLink } from "./attackers.ts";
export {
  addressContent,
  announcedEpochs,
  authContent,
  bundleContent,
  bundleOf,
  bytesOf,
  entriesOf,
  forge,
  forgeControl,
  joinBinding,
  keysContent,
  logsOf,
  opBytes,
  readControl,
  readKeyOps,
  readOps,
  villain,
} from "./forge.ts";
export { at, createWorld, eventsOf, feed, spaceWith, textsOf, write } from "./world.ts";
