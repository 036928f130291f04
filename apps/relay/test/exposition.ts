/** A strict reader of Prometheus's text format 0.0.4, for tests. */

/** One line of a metric. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with its lines. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const suffixes: Readonly<Record<string, readonly string[]>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
};

/** Reads a text. Throws at whatever a scraper would refuse or misread. */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<
    string,
    { -readonly [K in keyof Family]: Family[K] } & { samples: Sample[] }
  >();
  let current = "";
  const seen = new Set<string>();
  for (const line of text.slice(0, -1).split("\n")) {
    const [, keyword, name = "", rest = ""] =
      /^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.*)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      if (families.has(name)) throw new Error(`${name} comes twice`);
      families.set(name, { name, type: "", help: unescape(rest, /\\([\\n])/g), samples: [] });
      current = name;
    } else if (keyword === "TYPE") {
      const family = families.get(name);
      if (family === undefined || name !== current || family.samples.length > 0)
        throw new Error(line);
      family.type = rest;
    } else {
      const sample = parseSample(line);
      const family = families.get(current);
      const allowed = suffixes[family?.type ?? ""]?.map((suffix) => current + suffix) ?? [];
      if (!allowed.includes(sample.name)) throw new Error(`${sample.name} is out of place`);
      const series = `${sample.name} ${JSON.stringify(sample.labels)}`;
      if (seen.has(series)) throw new Error(`${series} comes twice`);
      seen.add(series);
      family?.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

function parseSample(line: string): Sample {
  const [, name = "", block = "", value = ""] =
    /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === "" || Number.isNaN(Number(value))) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  let left = block;
  while (left !== "") {
    const [whole, label = "", raw = ""] =
      /^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)",?/.exec(left) ?? [];
    if (whole === undefined) throw new Error(`no label: ${line}`);
    labels[label] = unescape(raw, /\\(["\\n])/g);
    left = left.slice(whole.length);
  }
  return { name, labels, value: Number(value) };
}

function unescape(text: string, pattern: RegExp): string {
  return text.replace(pattern, (_, letter: string) => (letter === "n" ? "\n" : letter));
}

/** Buckets rise, the last is +Inf and equals the count. */
function checkHistogram({ name, samples }: Family): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const group of groups.values()) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const values = buckets.map((sample) => sample.value);
    const rises = values.every((value, index) => value >= (values[index - 1] ?? 0));
    const total = group.find((sample) => sample.name === `${name}_count`)?.value;
    const last = buckets.at(-1);
    if (!rises || last?.labels["le"] !== "+Inf" || last.value !== total)
      throw new Error(`${name}: buckets`);
  }
}
