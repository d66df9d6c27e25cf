"use strict";
/* Numbers as people read them. */
const format = (() => {
  const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const MINUS = "\u2212";

  /** A number of at most `digits` decimals, with a real minus sign. */
  const fixed = (value, digits) => value.toFixed(digits).replace("-", MINUS);

  /** Seconds, such as "61,886" or "12.50". */
  function seconds(value) {
    if (!Number.isFinite(value)) return "never";
    return value < 100 ? value.toFixed(2) : grouped.format(value);
  }

  /** A time with its unit, such as "90 s", "12.5 min" or "17.2 h". */
  function time(value) {
    const { name, per } = timeUnit(value);
    return `${Number((value / per).toPrecision(3)).toLocaleString("en-US")} ${name}`;
  }

  const whole = (value) => (Number.isFinite(value) ? grouped.format(value) : "\u2013");
  const score = (value) => value.toFixed(4);
  const percent = (share) => `${fixed(100 * share, share > 0 && share < 0.01 ? 1 : 0)} %`;
  const ratio = (value) => `${value.toFixed(2)}\u00d7`;
  const amount = (value) => (value >= 100 ? grouped.format(value) : value.toFixed(value < 10 ? 2 : 1));
  /** Words as a sentence lists them: "a, b and c". */
  const list = (words) =>
    words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
  const plural = (number, word, many = `${word}s`) => `${number} ${number === 1 ? word : many}`;

  /** The unit in which times up to `longest` seconds read best: {name, per} with `per` seconds each. */
  function timeUnit(longest) {
    if (longest > 3 * 3600) return { name: "h", per: 3600 };
    return longest > 600 ? { name: "min", per: 60 } : { name: "s", per: 1 };
  }

  /** Few digits, for values of hyperparameters and metrics. */
  const short = (value) => (typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value));

  return { fixed, seconds, time, whole, score, percent, ratio, amount, plural, list, timeUnit, short };
})();
