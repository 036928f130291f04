/** Databases of their own for tests, on one server. */
import { Client } from "pg";

let number = 0;

/** A new empty database; its URL. */
export async function createTestDatabase(serverUrl: string): Promise<string> {
  number += 1;
  const name = `relay_${number}`;
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
