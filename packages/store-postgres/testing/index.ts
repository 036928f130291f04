export type { TestServer, TestServerOptions, TestServerOutcome } from "./server.ts";
export { startTestServer } from "./server.ts";
