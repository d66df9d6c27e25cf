"use strict";
/* The data that a page brings along. */
const packed = (() => {
  const isReadable = typeof DecompressionStream !== "undefined";

  /** The payload: JSON, gzip, base64. */
  async function unpack() {
    const bytes = Uint8Array.from(atob(dom.byId("payload").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  return { isReadable, unpack };
})();
