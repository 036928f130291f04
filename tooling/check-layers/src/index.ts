/** The layer check: what other tools of the workspace use of it. */
export type { Finding } from "./check.ts";
export { checkWorkspace } from "./check.ts";
export { renderGraph, replaceSection } from "./graph.ts";
export type { Project, Workspace } from "./workspace.ts";
export { findWorkspace } from "./workspace.ts";
