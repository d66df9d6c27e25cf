// Texts of charts that lie on each other, or stick out of their chart.
() => {
  const found = [];
  for (const chart of document.querySelectorAll("figure > svg")) {
    const frame = chart.getBoundingClientRect();
    const texts = [...chart.querySelectorAll("text")]
      .map((text) => ({ words: text.textContent, box: text.getBoundingClientRect() }))
      .filter(({ words, box }) => words.trim() && box.width);
    texts.forEach(({ words, box }, at) => {
      const isOut = box.left < frame.left - 3 || box.right > frame.right + 3;
      if (isOut || box.top < frame.top - 3 || box.bottom > frame.bottom + 3) found.push(`${words} sticks out`);
      for (const other of texts.slice(at + 1)) {
        const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        if (wide > 1 && high > 3) found.push(`${words} on ${other.words}`); // lines of one name may touch
      }
    });
  }
  return found;
}
