/**
 * Home: where one device keeps its database and small files. One process at a time has a home; a
 * lock that the system drops with the process, even a killed one, sees to that.
 */
import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, open } from "node:fs/promises";
import { homedir, tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CliError } from "./errors.ts";

export interface Home {
  readonly folder: string;
  readonly database: string;
  /** Where the process that has the home answers other commands: a socket or a named pipe. */
  readonly socket: string;
  readonly lock: string;
  /** Where the mirror of a space remembers what folder and space last agreed on. */
  baseFile(spaceId: string, folder: string): string;
}

/** Unix socket paths have room for about 100 bytes. */
const socketPathBytesMax = 100;
const isWindows = process.platform === "win32";

/**
 * `--home`, else `HAWSER_HOME`, else `.hawser` in the person's folder; made when missing. What is
 * in it is for its owner's eyes: the database holds the device's secret.
 */
export async function openHome(given: string | undefined): Promise<Home> {
  const folder = resolve(given ?? process.env["HAWSER_HOME"] ?? join(homedir(), ".hawser"));
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return {
      folder,
      database: join(folder, "hawser.sqlite"),
      socket: await socketPath(folder),
      lock: join(folder, "hawser.lock"),
      baseFile: (spaceId, shared) =>
        join(folder, "folders", `${digest(`${spaceId} ${shared}`)}.base`),
    };
  } catch (cause) {
    throw new CliError(
      "CLI_HOME_UNUSABLE",
      `${folder} cannot be used as this device's home`,
      "Name a folder that this user may write with --home.",
      { cause },
    );
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 24);
}

/**
 * In the home; where that path is too long for a socket, in a folder that only this user enters.
 */
async function socketPath(folder: string): Promise<string> {
  if (isWindows) return `\\\\.\\pipe\\hawser-${digest(folder)}`;
  const inside = join(folder, "control.sock");
  if (Buffer.byteLength(inside) <= socketPathBytesMax) return inside;
  const { uid } = userInfo();
  const shared = join(tmpdir(), `hawser-${uid}`);
  await mkdir(shared, { recursive: true, mode: 0o700 });
  const info = await lstat(shared);
  // Anybody may make such a folder in the common temporary one, and would then see every command.
  if (!info.isDirectory() || info.uid !== uid || (info.mode & 0o077) !== 0) {
    throw new Error(`${shared} is not a private folder of this user`);
  }
  return join(shared, `${digest(folder)}.sock`);
}

/** Takes the home for this process; `undefined` while another process has it. */
export function takeHome(home: Home): Disposable | undefined {
  const lock = new DatabaseSync(home.lock, { timeout: 0 });
  try {
    lock.exec("PRAGMA journal_mode = DELETE");
    lock.exec("BEGIN EXCLUSIVE");
  } catch {
    lock.close();
    return undefined;
  }
  return { [Symbol.dispose]: () => lock.close() };
}

/**
 * Makes the database file with the right permissions before the engine does, which gives the files
 * beside it the same ones.
 */
export async function protectDatabase(home: Home): Promise<void> {
  if (isWindows) return;
  const file = await open(home.database, "a", 0o600);
  await file.close();
  await chmod(home.database, 0o600);
}

export function homeBusy(home: Home): CliError {
  return new CliError(
    "CLI_HOME_BUSY",
    `another hawser process uses ${home.folder}`,
    "Stop it, or give this device a home of its own with --home.",
  );
}
