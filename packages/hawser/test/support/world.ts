/** The world of the attack tests, as published: devices in one process. */
export type { Device, World } from "@hawser/space/testing";
export { at, createWorld, eventsOf, feed, spaceWith, textsOf, write } from "@hawser/space/testing";
