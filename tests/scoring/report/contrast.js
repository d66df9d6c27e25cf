/* WCAG 2 contrast of all visible text against what is behind it, and of the graphics' colours against the page. */
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((value, i) => (value * a + under[i] * (255 - a)) / 255);
  const luminance = (parts) => {
    const [r, g, b] = parts.map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const page = rgb(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  const behind = (element) => {
    const chain = [];
    for (let at = element; at; at = at.parentElement) chain.unshift(at);
    return chain.reduce((under, at) => over(rgb(getComputedStyle(at).backgroundColor), under), [255, 255, 255]);
  };
  const text = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length || element.closest("script, style, option")) continue;
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    const under = behind(element);
    const found = contrast(over(rgb(colour), under), under);
    const name = `${element.tagName}.${element.className.baseVal ?? element.className}: ${walker.currentNode.data.trim().slice(0, 30)}`;
    if (found < 4.5) text[name] = found;
  }
  const graphics = {};
  const style = getComputedStyle(document.documentElement);
  const names = [...Array(12).keys()].map((i) => `--series-${i}`).concat("--cost-training", "--cost-evaluation", "--cost-never", "--edge", "--accent");
  for (const name of names) {
    const found = contrast(rgb(style.getPropertyValue(name)).slice(0, 3), page);
    if (found < 3) graphics[name] = found;
  }
  return { text, graphics };
}
