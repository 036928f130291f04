/**
 * Webhooks: notices as signed HTTP POSTs, in the form of Standard Webhooks
 * (docs/spec/relay-http.md §5.2). Layer 9.
 */
import { createHmac } from "node:crypto";
import { concatBytes, equalSecrets, fromUtf8, utf8 } from "@hawser/codec";
import type { Outbound, OutboundVerdict } from "./outbound.ts";
import {
  memberOf,
  parseJson,
  type PushNotice,
  type PushOutcome,
  type PushProvider,
  type PushTarget,
} from "./push-provider.ts";

const userAgent = "hawser-relay";

/** The provider named `webhook`; a target is `{"url":"https://…"}`. */
export function createWebhookProvider(outbound: Outbound): PushProvider {
  const post = ({ address }: PushTarget, notice: PushNotice): Promise<OutboundVerdict> =>
    outbound.post({ url: address, headers: webhookHeaders(notice), body: notice.body });
  return {
    name: "webhook",
    parse: (target) => {
      const url = memberOf(target, "url");
      if (typeof url !== "string" || !outbound.accepts(url)) return undefined;
      const { href, host } = new URL(url);
      return { address: href, shown: host };
    },
    confirm: async (target, notice, challenge) => {
      const answer = await post(target, notice);
      if (!answer.ok || answer.status < 200 || answer.status > 299) return false;
      const echoed = memberOf(parseJson(fromUtf8(answer.body) ?? ""), "challenge");
      return typeof echoed === "string" && equalSecrets(utf8(echoed), utf8(challenge));
    },
    send: async (target, notice) => outcomeOf(await post(target, notice)),
  };
}

/** What a status says about trying again. */
function outcomeOf(answer: OutboundVerdict): PushOutcome {
  if (!answer.ok) return { status: "later", reason: answer.reason };
  const { status, retryAfterSeconds } = answer;
  if (status >= 200 && status <= 299) return { status: "delivered" };
  if (status === 410) return { status: "gone" };
  const reason = `status ${status}`;
  return retryAfterSeconds === undefined
    ? { status: "later", reason }
    : { status: "later", reason, afterSeconds: retryAfterSeconds };
}

/** The headers of one attempt. */
export function webhookHeaders(notice: PushNotice): Readonly<Record<string, string>> {
  return {
    "content-type": "application/json",
    "user-agent": userAgent,
    "webhook-id": notice.messageId,
    "webhook-timestamp": String(notice.seconds),
    "webhook-signature": `v1,${signWebhook(notice)}`,
  };
}

/** base64 of HMAC-SHA-256 over `id.timestamp.body`. */
export function signWebhook(
  notice: Pick<PushNotice, "messageId" | "seconds" | "body" | "secret">,
): string {
  const head = utf8(`${notice.messageId}.${notice.seconds}.`);
  return createHmac("sha256", notice.secret)
    .update(concatBytes(head, notice.body))
    .digest("base64");
}
