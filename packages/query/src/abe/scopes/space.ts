/**
 * Scope "space": paths as bytes (docs/spec/query.md §2.5.10). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import {
  decodePath,
  encodePath,
  pathBytesMax,
  pathComponentBytesMax,
  pathDepthMax,
  printPaddedExpression,
  printPath,
  tagBytes,
  type PacketErrorCode,
  type Path,
} from "@hawser/packet";
import { fault, success, type Result } from "../fault.ts";
import { parseUnsigned, sizeMax } from "../numbers.ts";
import type { Node } from "../parse.ts";
import {
  createScope,
  functionFault,
  type Call,
  type Part,
  type Run,
  type Scope,
} from "../scope.ts";

const none = new Uint8Array(0);

/** What the reference calls each thing that can be wrong with a path. */
const saysOfPath: { readonly [code in PacketErrorCode]?: string } = {
  PACKET_PATH_DEPTH: `spacename only accepts ${pathDepthMax} components`,
  PACKET_PATH_COMPONENT_BYTES: `exceeded maximum component size (${pathComponentBytesMax} bytes)`,
  PACKET_PATH_COMPONENT_EMPTY: "component cant be of size 0",
  PACKET_PATH_TAIL: "mismatch length for last component",
  PACKET_PATH_BYTES: `exceeds max path size (${pathBytesMax})`,
};

const expectedPath =
  `1 to ${pathDepthMax} components of 1 to ${pathComponentBytesMax} bytes,` +
  ` ${pathBytesMax} with their lengths`;

interface At {
  readonly index: number;
}

/** Path bytes of components, or what is wrong with the first wrong one. */
function buildPath(at: At, components: Path, prefix = ""): Result<Uint8Array> {
  const said = saysOfComponents(components);
  if (said !== undefined) return functionFault(at, expectedPath, `${prefix}${said}`);
  return success(encodePath(components));
}

/** The reference looks at component after component and counts them last. */
function saysOfComponents(components: Path): string | undefined {
  let size = 0;
  for (const { length } of components) {
    if (length > pathComponentBytesMax) return saysOfPath.PACKET_PATH_COMPONENT_BYTES;
    if (length === 0) return saysOfPath.PACKET_PATH_COMPONENT_EMPTY;
    size += length + 1;
    if (size > pathBytesMax) return saysOfPath.PACKET_PATH_BYTES;
  }
  return components.length > pathDepthMax ? saysOfPath.PACKET_PATH_DEPTH : undefined;
}

function readPath(at: At, bytes: Uint8Array, prefix = ""): Result<Path> {
  const decoded = decodePath(bytes);
  if (decoded.ok) return success(decoded.path);
  // The reference counts too many bytes as too many components here.
  const reason = decoded.reason === "PACKET_PATH_BYTES" ? "PACKET_PATH_DEPTH" : decoded.reason;
  return functionFault(at, "the bytes of a path", `${prefix}${saysOfPath[reason] ?? ""}`);
}

/** A path as an expression: `/component/[b:…]`, with 16 bytes always padded. */
export function printPathExpression(path: Path): string {
  return path
    .map((component) =>
      component.length === tagBytes
        ? `/${printPaddedExpression(component)}`
        : printPath([component]),
    )
    .join("");
}

/** Components `start` to before `end` (one without `end`) of a path, as path bytes. */
function selectComponents(call: Call): Result<Uint8Array> {
  const [bytes = none, startText = none, endText] = call.args;
  const path = readPath(call, bytes);
  if (!path.ok) return path;
  const start = parseUnsigned(call, startText, sizeMax);
  if (!start.ok) return start;
  const end =
    endText === undefined ? success(start.value + 1n) : parseUnsigned(call, endText, sizeMax);
  if (!end.ok) return end;
  if (start.value > BigInt(pathDepthMax)) {
    return functionFault(call, `a start of at most ${pathDepthMax}`, "space max depth is 8");
  }
  if (end.value < start.value) return functionFault(call, "an end past the start", "end < start");
  return buildPath(call, path.value.slice(Number(start.value), Number(end.value)));
}

const saysSeparators = "space expr must start with '/' and can't contain ':', or '\\n'";

/** `[//a/b]`: what follows `/` are components; empty ones are left out. */
function pathOfNodes(nodes: readonly Node[], index: number, run: Run): Result<Uint8Array> {
  const parts = run.evaluate(nodes, run);
  if (!parts.ok) return parts;
  const [first] = parts.value;
  if (parts.value.length === 1 && first !== undefined && first.separator === undefined) {
    const path = readPath(first, first.bytes, "Space error ");
    return path.ok ? success(first.bytes) : path;
  }
  const kept = parts.value.filter((part) => part.bytes.length > 0);
  const wrong = kept.find((part) => part.separator !== "/");
  if (wrong !== undefined) {
    return fault("ABE_FUNCTION", wrong.index, "a path of /component", saysSeparators);
  }
  return buildPath(
    { index },
    kept.map((part: Part) => part.bytes),
    "Space error ",
  );
}

export const spaceScope: Scope = createScope(
  "space",
  "space utils. Usually [//some/space] is the most readable",
  [
    {
      id: "?space",
      use: "any",
      counts: [1, 1],
      help: "decode space",
      apply: (call) => {
        const path = readPath(call, call.args[0] ?? none);
        return path.ok ? success(utf8(printPath(path.value))) : path;
      },
    },
    {
      id: "si",
      use: "any",
      counts: [2, 3],
      help: "space idx [start,?end]",
      apply: selectComponents,
    },
    {
      id: "s",
      use: "any",
      counts: [1, 8],
      help: "build space from arguments - alternative to [//some/path] syntax",
      apply: (call) => buildPath(call, call.args),
      encode: (bytes) => {
        const decoded = decodePath(bytes);
        return decoded.ok ? success(`[/${printPath(decoded.path)}]`) : undefined;
      },
    },
  ],
  [
    {
      id: "",
      help:
        "the 'empty' eval for encoding space. i.e. [//some/space/val] creates the byte for " +
        "/some/space/val",
      apply: pathOfNodes,
    },
    {
      id: "~",
      help: "similar to '//' but forgiving on empty components",
      apply: pathOfNodes,
    },
  ],
);
