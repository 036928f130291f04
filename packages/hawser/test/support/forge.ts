/** What attackers write, as published: entries past all checks. */
export type { OpenedOps, Villain } from "@hawser/space/testing";
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
  readOps,
  villain,
} from "@hawser/space/testing";
