export type { Dialler, DiallerDeps, DiallerOptions, DiallerState } from "./dialler.ts";
export type { TransportWsErrorCode } from "./errors.ts";
export type { ServerSocket } from "./node.ts";
export type { ConnectOptions } from "./web-socket.ts";
export { createDialler } from "./dialler.ts";
export { TransportWsError } from "./errors.ts";
export { acceptWebSocket, connectWebSocket, webSocketServerOptions } from "./node.ts";
export { platformTimers } from "./platform-timers.ts";
