#!/usr/bin/env node
/** The command hawser-relay. Layer 9. */
import { runRelayProgram } from "./program.ts";

process.exitCode = await runRelayProgram(process.argv.slice(2), "hawser-relay");
