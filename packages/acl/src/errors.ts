/** What a caller of the access control views can do wrong; codes are API. */
export type AclErrorCode =
  /** Text that is no JSON document of the paper's form; the message says where. */
  | "ACL_JSON_INVALID"
  /** A role that does not exist, twice in one list, or `no-access` beside another. */
  | "ACL_ROLE_INVALID"
  /** A key that stands twice in one object. */
  | "ACL_KEY_DUPLICATE"
  /** A document or peer id that is empty, too long, not well-formed, or not allowed as a key. */
  | "ACL_KEY_INVALID"
  /** More text or more peers than the limits. */
  | "ACL_TOO_LARGE"
  /** An edit that says nothing, or two things at once of one peer and role. */
  | "ACL_EDIT_INVALID";

export class AclError extends Error {
  override readonly name = "AclError";
  readonly code: AclErrorCode;

  constructor(code: AclErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
