/**
 * A key that is kept on paper (docs/spec/account.md §3.1) has no store: what it made it must be able
 * to open again from its prekey alone. Layer 5, internal.
 */
import type { KeyState } from "@hawser/keys";
import type { ControlContent } from "./control.ts";
import type { Device } from "./device.ts";
import type { ControlFold } from "./fold.ts";
import type { SpacesDeps } from "./types.ts";

/** Gives the epochs that `keyState` adds to the paper key's own prekey; nothing on other devices. */
export async function givesToPaper(
  deps: SpacesDeps,
  parts: { readonly device: Device; readonly fold: ControlFold },
  keyState: KeyState,
): Promise<readonly ControlContent[]> {
  if (deps.prekeySecret === undefined) return [];
  const { device, fold } = parts;
  const epochIds = [...keyState.secrets.keys()].filter((id) => !fold.keyState.secrets.has(id));
  const recipient = await device.bundle();
  const authHeads = fold.graph.heads(fold.group);
  const input = { recipient, level: "read", epochIds, authHeads } as const;
  const ops = fold.ring.forward(keyState, input, deps.random);
  return ops.map((op): ControlContent => ({ kind: "keys", op }));
}
