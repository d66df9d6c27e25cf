"use strict";
/* Random numbers that are those of draws.py bit for bit: a hash of counters. */
const draws = (() => {
  const GOLDEN = 0x9e3779b9;

  /** MurmurHash3's 32-bit finalizer. */
  function mixed(word) {
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    return (word ^ (word >>> 16)) >>> 0;
  }

  /**
   * Numbers on [0, 1), one for each combination of counters 0..shape[axis] - 1, the last axis fastest.
   * @param {number} seed
   * @param {number[]} shape
   * @returns {Float64Array}
   */
  function uniforms(seed, shape) {
    const words = shape.reduce(
      (before, length) => {
        const counters = Uint32Array.from({ length }, (_, counter) => mixed((counter + GOLDEN) >>> 0));
        const next = new Uint32Array(before.length * length);
        let at = 0;
        for (const word of before) for (const counter of counters) next[at++] = mixed(word ^ counter);
        return next;
      },
      Uint32Array.of(mixed(seed)),
    );
    return Float64Array.from(words, (word) => word * 2 ** -32);
  }

  return { uniforms };
})();
