/**
 * Counters, gauges and histograms, and the text in which Prometheus reads them (exposition format
 * 0.0.4). Layer 9. Labels are fixed by whoever counts; none is ever taken from a client.
 */

/** Values of labels, in the order of the metric's label names. */
export type LabelValues = readonly string[];

/** Goes up. */
export interface Counter {
  add(amount: number, ...labels: LabelValues): void;
}

/** Counts values into buckets. */
export interface Histogram {
  observe(value: number, ...labels: LabelValues): void;
}

/** What every metric says of itself. */
export interface MetricOptions {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** All metrics of one relay. */
export interface Metrics {
  counter(options: MetricOptions): Counter;
  /** `read` is asked for each text; its map is from label values, joined by U+0000. */
  gauge(
    options: MetricOptions & { readonly read: () => number | ReadonlyMap<string, number> },
  ): void;
  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): Histogram;
  /** The text of all of them. */
  render(): string;
}

/** The content type of the text. */
export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";
/** Sets of label values that one metric keeps; more are counted under "other". */
const seriesMax = 64;
const joiner = "\u0000";

/** No metric yet. */
export function createMetrics(): Metrics {
  const blocks: (() => readonly string[])[] = [];

  const begin = ({ name, help }: MetricOptions, type: string): readonly string[] => [
    `# HELP ${name} ${escapeHelp(help)}`,
    `# TYPE ${name} ${type}`,
  ];
  return {
    counter: (options) => {
      const series = new Map<string, number>();
      if (options.labels === undefined) series.set("", 0);
      blocks.push(() => [
        ...begin(options, "counter"),
        ...[...series].map(([key, value]) => sample(options, key, value)),
      ]);
      return {
        add: (amount, ...labels) => {
          const key = seriesKey(series, labels);
          series.set(key, (series.get(key) ?? 0) + amount);
        },
      };
    },
    gauge: (options) => {
      blocks.push(() => {
        const now = options.read();
        const series = typeof now === "number" ? new Map([["", now]]) : now;
        const lines = [...series].map(([key, value]) => sample(options, key, value));
        return [...begin(options, "gauge"), ...lines];
      });
    },
    histogram: (options) => {
      const series = new Map<string, Buckets>();
      if (options.labels === undefined) series.set("", emptyBuckets(options.buckets));
      blocks.push(() => [
        ...begin(options, "histogram"),
        ...[...series].flatMap(([key, buckets]) => bucketLines(options, key, buckets)),
      ]);
      return {
        observe: (value, ...labels) => {
          const key = seriesKey(series, labels);
          const buckets = series.get(key) ?? emptyBuckets(options.buckets);
          series.set(key, buckets);
          count(options.buckets, buckets, value);
        },
      };
    },
    render: () => `${blocks.flatMap((block) => block()).join("\n")}\n`,
  };
}

/** A histogram's counts, not yet added up, and the sum. */
interface Buckets {
  readonly counts: number[];
  sum: number;
  total: number;
}

function emptyBuckets(bounds: readonly number[]): Buckets {
  return { counts: bounds.map(() => 0), sum: 0, total: 0 };
}

function count(bounds: readonly number[], buckets: Buckets, value: number): void {
  const index = bounds.findIndex((bound) => value <= bound);
  if (index >= 0) buckets.counts[index] = (buckets.counts[index] ?? 0) + 1;
  buckets.sum += value;
  buckets.total += 1;
}

/** Buckets in the text are cumulative. */
function bucketLines(
  options: MetricOptions & { readonly buckets: readonly number[] },
  key: string,
  { counts, sum, total }: Buckets,
): readonly string[] {
  const { name, labels = [] } = options;
  let below = 0;
  const withBound = { name: `${name}_bucket`, labels: [...labels, "le"] };
  const bounds = [...options.buckets.map(String), "+Inf"];
  const lines = bounds.map((bound, index) => {
    below = index < counts.length ? below + (counts[index] ?? 0) : total;
    return sampleOf(withBound, [...valuesOf(key, labels), bound], below);
  });
  return [
    ...lines,
    sample({ name: `${name}_sum`, labels }, key, sum),
    sample({ name: `${name}_count`, labels }, key, total),
  ];
}

/** Over the limit everything new is one series: a mistake here must not fill memory. */
function seriesKey(series: ReadonlyMap<string, unknown>, labels: LabelValues): string {
  const key = labels.join(joiner);
  if (series.has(key) || series.size < seriesMax) return key;
  return labels.map(() => "other").join(joiner);
}

function valuesOf(key: string, labels: readonly string[]): LabelValues {
  return labels.length === 0 ? [] : key.split(joiner);
}

type Named = Pick<MetricOptions, "name" | "labels">;

function sample(named: Named, key: string, value: number): string {
  return sampleOf(named, valuesOf(key, named.labels ?? []), value);
}

function sampleOf({ name, labels = [] }: Named, values: LabelValues, value: number): string {
  const pairs = labels.map((label, index) => `${label}="${escapeLabel(values[index] ?? "")}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
