/** The public door: a real Chromium, and pages for it. */
export type { Browser, Profile } from "./browser.ts";
export type { ServedPage } from "./serve.ts";
export type { Page } from "playwright-core";
export { browserPath, browserReason, makeProfile, startBrowser, untilTrue } from "./browser.ts";
export { servePage } from "./serve.ts";
export { leastLongestTaskMs, longestTaskMs } from "./longest-task.ts";
