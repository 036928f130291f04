export type { Acl, AclEdit, ListedEdit } from "./acl.ts";
export type { AclQuestion, ExternalAcl, StaticAcl } from "./decided.ts";
export type { AclErrorCode } from "./errors.ts";
export type { AclJsonFault, AclJsonVerdict } from "./json.ts";
export type {
  AclDocument,
  AclOp,
  AclRules,
  EditStatus,
  EventName,
  GroupSource,
  Need,
  Role,
} from "./types.ts";
export type { AclState } from "./view.ts";
export { createAcl } from "./acl.ts";
export { createExternalAcl, createRawAcl, createStaticAcl, documentAllows } from "./decided.ts";
export { AclError } from "./errors.ts";
export { createAclGate } from "./gate.ts";
export { createStaticGroups } from "./groups.ts";
export { jsonLengthMax, parseAclDocument, peersMax, printAclDocument } from "./json.ts";
export { keyBytesMax, rulesId } from "./keys.ts";
export { aclType, encodeEdits, encodeTombstones, tombstoneType } from "./ops.ts";
export { createAclView } from "./view.ts";
