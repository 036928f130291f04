/** Which key a person means by its first characters. */
import type { AuthorId } from "@hawser/crypto";
import { CliError } from "./errors.ts";

const memberPrefixMin = 6;

/** The author that was named by the start of its key. */
export function chooseFrom(authors: readonly AuthorId[], text: string, remedy: string): AuthorId {
  const fits = authors.filter((author) => author.startsWith(text.toLowerCase()));
  const [only] = fits;
  if (text.length >= memberPrefixMin && only !== undefined && fits.length === 1) return only;
  const problem =
    text.length < memberPrefixMin
      ? `"${text}" is too short to name a member`
      : only === undefined
        ? `no member begins with "${text.slice(0, 64)}"`
        : `several members begin with "${text}"`;
  throw new CliError("CLI_MEMBER_UNKNOWN", problem, remedy);
}
