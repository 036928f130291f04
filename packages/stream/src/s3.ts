/** The door `@hawser/stream/s3`: streams in S3-compatible buckets. Layer 4. */
export type { S3Bytes, S3Options } from "./stores/s3.ts";
export type { S3Deps, S3Location } from "./stores/s3-client.ts";
export { openS3Bytes } from "./stores/s3.ts";
