/**
 * hash-wasm's Argon2, in a file of its own: a dynamic import of this file lets every bundler drop
 * the twenty other hash functions of that package. Layer 1, internal.
 */
export { argon2d, argon2id } from "hash-wasm";
