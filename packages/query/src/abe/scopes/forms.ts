/**
 * The three forms in which values of packets are asked for. Layer 3; pure.
 */
import { toBase64url, utf8 } from "@hawser/codec";
import { printPadded, printPaddedExpression } from "@hawser/packet";
import { success, type Result } from "../fault.ts";
import { bigEndian, nameText } from "../join.ts";
import { functionFault, type Call, type ScopeFunction } from "../scope.ts";

const none = new Uint8Array(0);

/** A value in the three forms in which fields are asked for. */
export interface FieldForms {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly expression: string;
}

/** An unsigned integer of `size` bytes. */
export function integerForms(value: bigint | number, size: number): FieldForms {
  const text = value.toString();
  return {
    bytes: bigEndian(BigInt(value), size),
    text,
    expression: `[u${8 * size}:${text}]`,
  };
}

/** A byte of bits. */
export function bitForms(value: number, text: string): FieldForms {
  const expression = `[b2:${value.toString(2).padStart(8, "0")}]`;
  return { bytes: Uint8Array.of(value), text, expression };
}

/** Hashes, keys, groups, signatures. */
export function base64Forms(bytes: Uint8Array): FieldForms {
  const text = toBase64url(bytes);
  return { bytes, text, expression: `[b:${text}]` };
}

/** Domains and tags: padded with zeros on the left. */
export function paddedForms(bytes: Uint8Array): FieldForms {
  return { bytes, text: printPadded(bytes), expression: printPaddedExpression(bytes) };
}

/** A field in the form that the argument names; `forms` are read only when the call is allowed. */
export function giveForm(
  call: Call,
  forms: () => FieldForms,
  expected: string,
): Result<Uint8Array> {
  switch (nameText(call.args[0] ?? none)) {
    case "":
      return success(forms().bytes);
    case "str":
      return success(utf8(forms().text));
    case "abe":
      return success(utf8(forms().expression));
    default:
      return functionFault(call, "no argument, str or abe", expected);
  }
}

/** A function such as `ptr` or `recv`: the value's bytes, or its text with `str` or `abe`. */
export function formFunction(
  id: string,
  help: string,
  read: (call: Call) => Result<FieldForms>,
): ScopeFunction {
  return {
    id,
    use: "any",
    counts: [0, 1],
    help,
    apply: (call) => {
      const forms = read(call);
      if (!forms.ok) return forms;
      return giveForm(call, () => forms.value, "unexpected fmt expect ?(str|abe)");
    },
  };
}
