export type {
  Leading,
  TabChannel,
  TabLocks,
  TabRole,
  Tabs,
  TabsDeps,
  TabsOptions,
} from "./types.ts";
export type { TransportTabsErrorCode } from "./errors.ts";
export { TransportTabsError } from "./errors.ts";
export { platformTabs } from "./platform.ts";
export { createTabs } from "./tabs.ts";
