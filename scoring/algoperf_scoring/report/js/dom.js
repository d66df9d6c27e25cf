"use strict";
/* Elements without a framework. Text from data only ever becomes text nodes and attribute values. */
const dom = (() => {
  /**
   * An element. Properties that start with "on" are listeners, the others attributes; null and false leave one out.
   * @param {string} tag
   * @param {Object} [properties]
   * @param {...(Node|string|number|null)} children
   * @returns {HTMLElement}
   */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false && value !== undefined)
        element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  /** An element of an SVG image. */
  function makeSvg(tag, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  /** The element with an id, which exists. */
  const byId = (id) => document.getElementById(id);

  /** Replaces what is inside an element, but keeps the focus if the new content has an element of the same key. */
  function fill(element, ...children) {
    const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    element.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
    if (focused) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  /** A name that may break after its underscores. */
  function breakable(name) {
    const parts = name.split("_");
    return make("span", {}, ...parts.flatMap((part, at) => (at ? ["_", make("wbr"), part] : [part])));
  }

  return { make, makeSvg, byId, fill, breakable };
})();
