/** Two people, two browsers, one relay: the page from the first click to the last edit offline. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browserPath, browserReason, type Page, type ServedPage } from "@hawser-tooling/browser";
import { createRelay, type Relay } from "@hawser/relay";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Device, serveNotes, startDevice } from "./page.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const shots = process.env["HAWSER_SHOTS"];

const note = (page: Page) => page.getByRole("textbox", { name: "Note" });
const column = (page: Page, name: string) => page.locator(`.column[aria-label="${name}"]`);
const here = (page: Page) => page.getByRole("list", { name: "Here now" }).getByRole("listitem");
const tone = (page: Page, wanted: string) => page.locator(`footer[data-tone="${wanted}"]`);

async function addTask(page: Page, title: string): Promise<void> {
  await page.getByLabel("New task").fill(title);
  await page.getByRole("button", { name: "Add" }).click();
}

async function shoot(page: Page, name: string): Promise<void> {
  if (shots !== undefined) await page.screenshot({ path: `${shots}/${name}.png` });
}

describe.skipIf(browserPath === undefined)(`notes in two browsers${browserReason}`, () => {
  let served: ServedPage;
  let relay: Relay;
  let ada: Device;
  let ben: Device;
  let address: string;
  let data: string;

  beforeAll(async () => {
    served = await serveNotes();
    data = await mkdtemp(join(tmpdir(), "hawser-notes-relay-"));
    relay = await createRelay({ data });
    address = `${served.origin}?relay=${encodeURIComponent(relay.url)}`;
    [ada, ben] = await Promise.all([startDevice(), startDevice()]);
  });
  afterAll(async () => {
    for (const one of [ada, ben, served]) await one[Symbol.asyncDispose]();
    await relay.close();
    await rm(data, { recursive: true, force: true });
  });

  test("a note and tasks are shared by a link, edited offline on both sides, and match", async () => {
    await ada.page.goto(address);
    await ada.page.getByRole("button", { name: "New notebook" }).click();
    await note(ada.page).click();
    await ada.page.keyboard.type("Sail plan. ");
    // A tool works by the keyboard too, and says what it is set to.
    const bold = ada.page.getByRole("button", { name: "Bold" });
    for (const pressed of ["true", "false"]) {
      await bold.press("Enter");
      expect(await bold.getAttribute("aria-pressed")).toBe(pressed);
    }
    await addTask(ada.page, "Mend the sail");
    await tone(ada.page, "fine").waitFor();
    await ada.page.getByRole("button", { name: "Invite" }).click();
    await ada.page.getByRole("button", { name: "Make a link" }).click();
    const link = await ada.page.getByLabel("Invite link").inputValue();
    await shoot(ada.page, "invite");
    await ada.page.keyboard.press("Escape");
    await ada.page.getByRole("dialog").waitFor({ state: "detached" });

    await ben.page.goto(link);
    await note(ben.page).getByText("Sail plan.").waitFor();
    await column(ben.page, "To do").getByText("Mend the sail").waitFor();
    for (const page of [ada.page, ben.page]) await here(page).nth(1).waitFor();
    expect(await here(ada.page).count()).toBe(2);
    // The secret of the link is gone from the address.
    expect(ben.page.url()).not.toContain("join=");
    await ben.page.getByLabel("Forward: Mend the sail").click();
    // Whoever goes by the keyboard stays with the card.
    await column(ben.page, "Doing")
      .getByLabel("Forward: Mend the sail")
      .and(ben.page.locator(":focus"))
      .waitFor();
    await column(ada.page, "Doing").getByText("Mend the sail").waitFor();

    await relay.close();
    await Promise.all([ada.context.setOffline(true), ben.context.setOffline(true)]);
    await Promise.all([tone(ada.page, "waiting").waitFor(), tone(ben.page, "waiting").waitFor()]);
    await note(ada.page).click();
    await ada.page.keyboard.press("Control+End");
    await ada.page.keyboard.type("Ada was offline. ");
    await addTask(ada.page, "Ask Ben");
    await note(ben.page).click();
    await ben.page.keyboard.press("Control+Home");
    await ben.page.keyboard.type("Ben too. ");
    await addTask(ben.page, "Ask Ada");
    const offline = "Offline. Saved on this device; the relay has it as of";
    await ada.page.locator("footer").getByText(offline).first().waitFor();
    await shoot(ada.page, "offline");

    const [port] = /\d+$/.exec(new URL(relay.url).host) ?? ["0"];
    relay = await createRelay({ data, port: Number(port) });
    await Promise.all([ada.context.setOffline(false), ben.context.setOffline(false)]);
    for (const page of [ada.page, ben.page]) {
      await note(page).getByText("Ada was offline.").waitFor({ timeout: 60_000 });
      await note(page).getByText("Ben too.").waitFor({ timeout: 60_000 });
      await column(page, "To do").getByText("Ask Ben").waitFor();
      await column(page, "To do").getByText("Ask Ada").waitFor();
      await tone(page, "fine").waitFor({ timeout: 60_000 });
    }
    expect(await note(ben.page).innerText()).toBe(await note(ada.page).innerText());
    await shoot(ben.page, "together");
    expect([...ada.errors, ...ben.errors]).toEqual([]);
  });

  test("everything is there after a reload, from this device alone", async () => {
    await ada.context.setOffline(true);
    const before = await note(ada.page).innerText();
    await ada.context.setOffline(false);
    await ada.page.reload();
    await note(ada.page).getByText("Sail plan.").waitFor();
    expect(await note(ada.page).innerText()).toBe(before);
    await column(ada.page, "Doing").getByText("Mend the sail").waitFor();
  });

  test("what others type is text, whatever it looks like", async () => {
    await addTask(ben.page, "<img src=x onerror=document.title='broken'>");
    await column(ada.page, "To do").getByText("<img src=x").waitFor();
    expect(await ada.page.title()).toBe("Hawser notes");
    expect(await ada.page.locator(".column img").count()).toBe(0);
  });
});
