/** Places as keys of maps. */
import type { EventRef } from "@hawser/view";

/** Differs for every (log, seq). */
export function placeOf({ logId, seq }: EventRef): string {
  return `${seq}/${logId}`;
}
