export type { BuildOptions, BytesOrText, LinkDraft, LinkpointDraft } from "./build.ts";
export type { LinkPointFields } from "./encode.ts";
export type {
  PacketErrorCode,
  PacketMisuseCode,
  PacketRejection,
  PacketRejectionCode,
} from "./errors.ts";
export type { PacketOffsets, PointKind, PointOffsets, PointTypes } from "./layout.ts";
export type { NetHeader } from "./net-header.ts";
export type { Link, Packet, Verification } from "./packet.ts";
export type { ParsedPacket, ParseMode, ParseOptions, ReadPacket } from "./parse.ts";
export type { Path } from "./path.ts";
export type { ReferenceError } from "./reference.ts";
export type { PacketSplitter, SplitResult } from "./stream.ts";
export { buildDatapoint, buildErrorPoint, buildKeypoint, buildLinkpoint } from "./build.ts";
export {
  exchangeDomain,
  handshakeDomain,
  lnsDomain,
  nullDomain,
  privateGroup,
  publicGroup,
  publicGroupData,
  statusComponent,
  testGroup,
  testGroupData,
} from "./constants.ts";
export { encodeLinkPoint, linkPointBytes } from "./encode.ts";
export { PacketError } from "./errors.ts";
export { packetOffsets, paddedBytes, pointOffsets, pointTypes } from "./layout.ts";
export {
  datapointDataBytesMax,
  domainBytes,
  groupBytes,
  hashBytes,
  keypointDataBytesMax,
  keypointLinkCountMax,
  linkBytes,
  linkHeaderBytes,
  linkpointDataBytesMax,
  linkpointLinkCountMax,
  netHeaderBytes,
  packetBytesMax,
  packetBytesMin,
  packetHeadBytes,
  packetPrefixBytes,
  pathBytesMax,
  pathComponentBytesMax,
  pathDepthMax,
  pathPrefixBytes,
  pointBytesMax,
  pointHeaderBytes,
  publicKeyBytes,
  rootedPathBytesMax,
  signatureBlockBytes,
  signatureBytes,
  tagBytes,
} from "./limits.ts";
export {
  defaultNetHeader,
  hop,
  netFlags,
  netMagic,
  readNetHeader,
  writeNetHeader,
} from "./net-header.ts";
export { bytesToUniform, comparePackets, treeKey, treeValue } from "./order.ts";
export { isPrivate, withNetHeader } from "./packet.ts";
export { parsePacket, parsePackets, readPacket, verifyPacket } from "./parse.ts";
export { decodePath, encodePath, encodeRootedPath } from "./path.ts";
export {
  kindName,
  printGroup,
  printNetFlags,
  printPacket,
  printPadded,
  printPaddedExpression,
  printPath,
  toEscapedText,
} from "./print.ts";
export { referenceBuildError, referenceError } from "./reference.ts";
export { createPacketSplitter } from "./stream.ts";
export { cidToHash, hashToCid, hashToText, textToHash, toMiniText } from "./text.ts";
