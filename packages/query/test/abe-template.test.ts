import { fromUtf8 } from "@hawser/codec";
import { printPacket, type Packet } from "@hawser/packet";
import { createTemplate, defaultPacketTemplate, type AbeContext } from "@hawser/query";
import { describe, expect, test } from "vitest";
import { context, datapoint, keypoint, linkpoint, textOf, withPacket } from "./abe-support.ts";

function format(expression: string, packet: Packet, within: AbeContext = context): string {
  const template = createTemplate(expression, { loose: true });
  if (!template.ok) return template.code;
  const result = template.value.format(packet, within);
  return result.ok ? (fromUtf8(result.value) ?? "no UTF-8") : result.code;
}

describe("templates", () => {
  test.each([
    ["datapoint", datapoint],
    ["linkpoint", linkpoint],
    ["keypoint", keypoint],
  ])("[LK-abe-template] the default template prints a %s", (_name, packet) => {
    // The quick print names no public key, has no empty line after the links and none at the end.
    const quick = printPacket(packet)
      .replace(/^pubkey\t\[b:A{43}\]$/m, "pubkey\t[@:none]")
      .replace(/^data\t/m, "\ndata\t");
    expect(format(defaultPacketTemplate, packet)).toBe(`${quick}\n`);
    expect(textOf("[pkt]", withPacket(packet))).toBe(format(defaultPacketTemplate, packet));
    expect(textOf("[pkt-quick]", withPacket(packet))).toBe(printPacket(packet));
  });

  test("[LK-abe-template] one template serves many packets, and forgets each", () => {
    const template = createTemplate("[type:str] [data_size:str]");
    if (!template.ok) throw new Error(template.message);
    const texts = [linkpoint, keypoint, linkpoint].map((packet) => {
      const result = template.value.format(packet, withPacket(datapoint));
      return result.ok ? fromUtf8(result.value) : result.code;
    });
    expect(texts).toEqual(["LinkPoint 5", "KeyPoint 2", "LinkPoint 5"]);
  });

  test("[LK-abe-template] templates may be written loosely", () => {
    expect(format("é\t[type:str]\n", linkpoint)).toBe("é\tLinkPoint\n");
  });

  test.each([
    ["[type", "ABE_UNMATCHED_OPEN"],
    ["[nosuch]", "ABE_NO_SUCH_FUNCTION"],
    ["[/links:[ptr:json]]", "ABE_FUNCTION"],
    ["[/links:a:b]", "ABE_FUNCTION"],
    ["[/links]", "ABE_SYNTAX"],
    ["[link:nosuch]", "ABE_FUNCTION"],
    ["[link:0123456789abcdefg]", "ABE_FUNCTION"],
    ["[pkt:x]", "ABE_ARGUMENTS"],
    ["[pkt-quick::x]", "ABE_FUNCTION"],
  ])("[LK-abe-template] %s is refused with %s", (expression, code) => {
    expect(format(expression, linkpoint)).toBe(code);
  });
});
