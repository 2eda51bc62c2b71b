// Functions that browser.test.ts evaluates inside a page.

/** Texts that stick out of the picture they stand in, with the pixels. */
export function clippedTexts() {
  const found = [];
  for (const svg of document.querySelectorAll('figure svg[role=img]')) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    for (const text of svg.querySelectorAll('text')) {
      const box = text.getBoundingClientRect();
      const over = [frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom];
      const most = Math.max(...over);
      if (most > 3) found.push(`${text.textContent} by ${most.toFixed(1)} in ${svg.getAttribute('aria-label')}`);
    }
  }
  return found.slice(0, 5);
}

/** Contrast ratios (WCAG 2) of the page's texts against what they stand on, and the page's own luminance. */
export function contrasts() {
  const luminance = (colour) => {
    const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.match(/[\d.]+/g).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const card = getComputedStyle(document.querySelector('section')).backgroundColor;
  const selectors = ['.lead', '.tick', '.axis-name', '.small', '.flag-text', '.verdict h2', 'summary', '.key'];
  const onCard = selectors.flatMap((selector) => {
    const element = document.querySelector(selector);
    if (element === null) return [];
    const style = getComputedStyle(element);
    return [[selector, ratio(element.tagName === 'text' ? style.fill : style.color, card)]];
  });
  const inNodes = [...document.querySelectorAll('.trace.wide .node')].flatMap((node) => {
    const fill = getComputedStyle(node.querySelector('rect')).fill;
    return [...node.querySelectorAll('text')].map((text) => [
      text.textContent,
      ratio(getComputedStyle(text).fill, fill),
    ]);
  });
  return { body: luminance(getComputedStyle(document.body).backgroundColor), pairs: [...onCard, ...inNodes] };
}

/** What a printed page would cut or leave out. */
export function printed() {
  const heightOf = (element) => element.getBoundingClientRect().height;
  return {
    tallest: Math.max(...[...document.querySelectorAll('figure')].map(heightOf)),
    width: document.documentElement.scrollWidth,
    body: getComputedStyle(document.body).backgroundColor,
    folded: [...document.querySelectorAll('details')].filter((one) => heightOf(one) > 0).length,
  };
}

/** Whether the page is wider than the window, and how many scripts it holds. */
export function overflow() {
  return { width: document.documentElement.scrollWidth, scripts: document.querySelectorAll('script').length };
}
