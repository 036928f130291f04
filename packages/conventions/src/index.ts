/** Linkspace conventions over packets (docs/spec/conventions.md). Layer 4. */
export {};
