/** recover: cuts off what no signature vouches for. Tells first, and cuts when told to. */
import type { Command } from "commander";
import { recoverStream, type StreamFault } from "@hawser/stream";
import { formatCount, plural } from "../../table.ts";
import { explain, StreamFaultError } from "../errors.ts";
import { addPinOption } from "../options.ts";
import { openPlace, parsePlace, type Place } from "../places.ts";
import { pinOf, withStream, type PinOption, type RunWork, type Session } from "../session.ts";

interface RecoverOptions extends PinOption {
  readonly yes?: boolean;
}

export function addRecoverCommand(program: Command, run: RunWork): void {
  const command = program
    .command("recover")
    .description("tell what lies behind the verified end of a stream; with --yes cut it off")
    .argument("<stream>")
    .option("--yes", "cut; what is cut is gone")
    .addHelpText("after", "\nExample: hawser stream recover log.stream --yes");
  addPinOption(command).action((text: string, options: RecoverOptions) =>
    run((session) => recover(session, text, options)),
  );
}

async function recover(session: Session, text: string, options: RecoverOptions): Promise<void> {
  const place = parsePlace(text);
  if (options.yes === true) return cut(session, place, options);
  await withStream(session, place, pinOf(place, options), async (stream) => {
    const { recoveredBytes: bytes, damage } = stream.recovery;
    const { id, height } = stream;
    const fields = { id, height, bytes, damage: damage ?? null, cut: false };
    const good = plural(height, "entry", "entries");
    if (bytes === 0) {
      return session.output.event("recover", fields, `Nothing to cut: all ${good} are good.`);
    }
    const lines = [`${good} are good. --yes would cut ${describe(bytes, damage)}.`];
    if (damage !== undefined)
      lines.push("Try other copies first: they may have what this one lost.");
    session.output.event("recover", fields, lines.join("\n"));
  });
}

function describe(bytes: number, damage: StreamFault | undefined): string {
  const count = plural(bytes, "byte");
  if (damage === undefined) return `${count}, left by an append that did not finish`;
  const at = damage.offset === undefined ? "" : ` at byte ${formatCount(damage.offset)}`;
  return `${count} that do not verify (${damage.code}${at}: ${damage.message})`;
}

async function cut(session: Session, place: Place, options: RecoverOptions): Promise<void> {
  const { io, deps, output } = session;
  try {
    await using store = await openPlace(io, place, "append");
    const pin = pinOf(place, options);
    const recovered = await recoverStream(deps, store, { ...pin, signal: io.signal });
    if (!recovered.ok) throw new StreamFaultError(place.text, recovered.fault);
    const { id, height, recoveredBytes: bytes, damage } = recovered;
    const fields = { id, height, bytes, damage: damage ?? null, cut: bytes > 0 };
    const good = plural(height, "entry", "entries");
    const text = bytes === 0 ? "Nothing to cut" : `Cut ${describe(bytes, damage)}`;
    output.event("recover", fields, `${text}; ${good} are good.`);
  } catch (error) {
    throw explain(error, place.text);
  }
}
