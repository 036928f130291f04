/**
 * The default packet template (docs/spec/query.md §3.2). Layer 3; pure.
 */

/** Prints a packet: one line per field, its links, an empty line, its data as UTF-8. */
export const defaultPacketTemplate: string = [
  String.raw`type\t[type:str]\n`,
  String.raw`hash\t[hash:str]\n`,
  String.raw`group\t[/~?:[group]/#/b]\n`,
  String.raw`domain\t[domain:str]\n`,
  String.raw`space\t[spacename:str]\n`,
  String.raw`pubkey\t[/~?:[pubkey]/@/b]\n`,
  String.raw`create\t[create:str]\n`,
  String.raw`links\t[links_len:str]\n`,
  String.raw`[/links:\t[tag:str] [ptr:str]\n]\n`,
  String.raw`data\t[data_size:str]\n`,
  String.raw`[data/~utf8]\n`,
].join("");
