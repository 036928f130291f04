/** Settings: four places, one precedence, every mistake by its path. */
import { describe, expect, test } from "vitest";
import { fields } from "../src/config-fields.ts";
import { flagOf, readConfig, variableOf, type ConfigSources } from "../src/config.ts";
import { optionsOf, runRelayProgram } from "../src/program.ts";

/** Sources whose files are given as texts. */
function sources(given: {
  readonly flags?: ConfigSources["flags"];
  readonly env?: ConfigSources["env"];
  readonly files?: Readonly<Record<string, string>>;
}): ConfigSources {
  const { flags = {}, env = {}, files = {} } = given;
  return {
    flags,
    env,
    readText: (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error("secret/path"), { code: "ENOENT" });
      return text;
    },
  };
}

function valuesOf(given: Parameters<typeof sources>[0]): Readonly<Record<string, unknown>> {
  const outcome = readConfig(sources(given));
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.issues));
  return outcome.values;
}

function pathsOf(given: Parameters<typeof sources>[0]): readonly string[] {
  const outcome = readConfig(sources(given));
  return outcome.ok ? [] : outcome.issues.map(({ path }) => path);
}

describe("settings", () => {
  test("come from flags before the environment, the file and the defaults", () => {
    const files = { "c.json": JSON.stringify({ port: 1, host: "::1", limits: { topicsMax: 5 } }) };
    const env = { HAWSER_RELAY_CONFIG: "c.json", HAWSER_RELAY_PORT: "2", HAWSER_RELAY_HOST: "::2" };
    expect(valuesOf({ files, env, flags: { port: "3" } })).toEqual({
      port: 3,
      host: "::2",
      "limits.topicsMax": 5,
    });
    expect(valuesOf({ files, env, flags: { config: "c.json" } })["port"]).toBe(2);
    expect(valuesOf({})).toEqual({});
  });

  test.each(fields.map((field) => [field.path, field] as const))(
    "%s can be set in each place, and is refused in each where it makes no sense",
    (path, field) => {
      const good =
        field.type === "choice"
          ? field.choices[0]
          : { text: goodText(path), count: 7, switch: true }[field.type];
      const flagPort = path === "metrics.host" ? { "metrics.port": "1" } : {};
      const file =
        path === "metrics.host" ? { metrics: { port: 1, host: good } } : nested(path, good);
      const files = { "c.json": JSON.stringify(file) };
      expect(valuesOf({ files, flags: { config: "c.json" } })[path]).toBe(good);
      expect(valuesOf({ flags: { ...flagPort, [path]: String(good) } })[path]).toBe(good);
      const env = { ...envOf(flagPort), [variableOf(path)]: String(good) };
      expect(valuesOf({ env })[path]).toBe(good);

      const bad = { "c.json": JSON.stringify(nested(path, {})) };
      expect(pathsOf({ files: bad, flags: { config: "c.json" } })[0]).toBe(path);
      if (field.type === "text" && field.pattern === undefined) return;
      expect(pathsOf({ flags: { [path]: "-1" } })).toContain(`--${flagOf(path)}`);
      expect(pathsOf({ env: { [variableOf(path)]: "-1" } })).toContain(variableOf(path));
    },
  );

  test("are refused with every mistake at once, and no value is repeated", () => {
    const file = { prot: 1, log: { level: "loud" }, limits: { topicsMax: 0, x: 1 }, metrics: [] };
    const env = { HAWSER_RELAY_PROT: "1", HAWSER_RELAY_METRICS_TOKEN: "my short one" };
    const given = {
      files: { "c.json": JSON.stringify(file) },
      env: { ...env, HAWSER_RELAY_CONFIG: "c.json" },
      flags: { store: "mysql://user:hunter2@db" },
    };
    expect(pathsOf(given)).toEqual([
      "prot",
      "log.level",
      "limits.topicsMax",
      "limits.x",
      "metrics",
      "HAWSER_RELAY_METRICS_TOKEN",
      "HAWSER_RELAY_PROT",
      "--store",
    ]);
    const text = JSON.stringify(readConfig(sources(given)));
    for (const value of ["hunter2", "my short one", "loud"]) expect(text).not.toContain(value);
  });

  test.each([
    ["no JSON", { "c.json": '{"metrics": {"token": "hunter2hunter2hunter2"' }],
    ["no object", { "c.json": "[]" }],
    ["no file", {}],
  ])("in a file that is %s are one mistake, which quotes nothing of it", (_name, files) => {
    const outcome = readConfig(sources({ files, flags: { config: "c.json" } }));
    expect(outcome).toMatchObject({ ok: false, issues: [{ path: "c.json" }] });
    expect(JSON.stringify(outcome)).not.toMatch(/hunter2|secret\/path/);
  });

  test("that are secret may stand in files of their own, one line feed at the end aside", () => {
    const token = "a-token-of-many-letters";
    const files = { "/run/t": `${token}\n`, "c.json": '{"metrics":{"tokenFile":"/run/t"}}' };
    const env = { HAWSER_RELAY_METRICS_TOKEN_FILE: "/run/t" };
    expect(valuesOf({ files, env })["metrics.token"]).toBe(token);
    expect(valuesOf({ files, flags: { config: "c.json" } })["metrics.token"]).toBe(token);
    expect(valuesOf({ files, flags: { "metrics.tokenFile": "/run/t" } })["metrics.token"]).toBe(
      token,
    );
    expect(pathsOf({ env })).toEqual(["HAWSER_RELAY_METRICS_TOKEN_FILE"]);
    expect(pathsOf({ files: { "/run/t": "" }, env })).toEqual(["HAWSER_RELAY_METRICS_TOKEN_FILE"]);
    const both = { ...env, HAWSER_RELAY_METRICS_TOKEN: token };
    expect(pathsOf({ files, env: both })).toEqual(["HAWSER_RELAY_METRICS_TOKEN_FILE"]);
  });

  test("that contradict each other are refused", () => {
    const store = "postgres://localhost/x";
    expect(pathsOf({ flags: { store, data: "d" } })).toEqual(["data"]);
    expect(pathsOf({ flags: { "metrics.host": "::1" } })).toEqual(["metrics.host"]);
  });

  test("become options", () => {
    const flags = { "limits.topicsMax": "9", "drain.seconds": "2", "metrics.port": "0" };
    expect(optionsOf(valuesOf({ flags }))).toMatchObject({
      port: 8787,
      data: "./relay-data",
      limits: { topicsMax: 9 },
      drainMs: 2_000,
      metrics: { port: 0 },
    });
    const store = "postgres://localhost/x";
    expect(optionsOf(valuesOf({ flags: { store } }))).toMatchObject({ store });
    expect(optionsOf(valuesOf({ flags: { store } })).data).toBeUndefined();
  });
});

function goodText(path: string): string {
  const texts: Readonly<Record<string, string>> = {
    store: "postgres://localhost/x",
    publicUrl: "https://relay.example",
    "webPush.contact": "mailto:operator@example.org",
  };
  return texts[path] ?? "text-of-sixteen-letters";
}

function nested(path: string, value: unknown): Record<string, unknown> {
  const [section = "", key] = path.split(".");
  return key === undefined ? { [section]: value } : { [section]: { [key]: value } };
}

function envOf(flags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(flags).map(([path, text]) => [variableOf(path), text]));
}

test.each([
  [["--public-url", "https://["], 1],
  [["--public-url", "https://relay.example/path/"], 0],
])("config check with %j finds what a start would find", async (flags, code) => {
  expect(await runRelayProgram(["config", "check", ...flags], "relay")).toBe(code);
});
