// Functions that tests evaluate in the page through the DevTools protocol, outside the page's
// content security policy. They change nothing but the scroll position.

function squash(text) {
  return (text ?? "").replace(/\s+/g, " ").trim();
}

function words(element) {
  return squash(element.innerText ?? element.textContent);
}

function shown(element) {
  return element.getClientRects().length > 0 && element.checkVisibility({ visibilityProperty: true });
}

// The first visible match, since pages have parts for phones and parts for desktops.
function pick(selector, text = "") {
  const all = [...document.querySelectorAll(selector)].filter((e) => words(e).includes(text));
  return all.find(shown) ?? all[0];
}

function name(element) {
  const text = words(element);
  return [
    element.localName,
    element.id && "#" + element.id,
    ...[...element.classList].slice(0, 3).map((c) => "." + c),
    text && ` "${text.slice(0, 60)}"`,
  ].filter(Boolean).join("");
}

// The point where the mouse hits an element: {x, y}, or {why} it cannot be hit now. It awaits
// nothing, so that it works with scripts turned off.
function aim(selector, text) {
  const element = pick(selector, text);
  if (!element) return { why: here(selector) };
  if (!shown(element)) return { why: `${name(element)} is hidden` };
  if (element.matches(":disabled, [aria-disabled=true]")) return { why: `${name(element)} is disabled` };
  element.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
  // A link that wraps has several boxes, and the middle of their hull may be outside of all.
  const box = [...element.getClientRects()].sort((a, b) => b.width * b.height - a.width * a.height)[0];
  const x = box.x + box.width / 2, y = box.y + box.height / 2;
  const hit = document.elementFromPoint(x, y);
  if (!hit) return { why: `${name(element)} is outside of the window` };
  if (!element.contains(hit) && hit.closest("label")?.control !== element) {
    return { why: `${name(element)} is covered by ${name(hit)}` };
  }
  return { x, y, name: name(element) };
}

// Resolves after two frames of the page have been painted.
function frames() {
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));
}

// The text of each match, or a description of the page if there is none.
function texts(selector) {
  return [...document.querySelectorAll(selector)].map(words);
}

// Describes the elements that match a selector now, for a message.
function here(selector) {
  const all = [...document.querySelectorAll(selector)];
  if (all.length === 0) return `nothing matches ${selector}`;
  return `${selector} matches ${all.length}: ` +
    all.slice(0, 5).map((e) => (shown(e) ? "" : "(hidden) ") + name(e)).join(", ");
}

function hasText(selector, text) {
  return [...document.querySelectorAll(selector)].some((e) => shown(e) && words(e).includes(squash(text)));
}

function anyShown(selector) {
  return [...document.querySelectorAll(selector)].some(shown);
}

function ready() {
  return document.readyState === "complete";
}

// Waits for fonts, images and finite animations, each for 5 s at most.
async function settle() {
  const rest = [
    document.fonts.ready,
    ...[...document.images].filter((i) => i.loading !== "lazy").map((i) => i.decode().catch(() => {})),
    ...document.getAnimations().filter((a) => Number.isFinite(a.effect?.getComputedTiming().endTime)).map((a) => a.finished.catch(() => {})),
  ];
  await Promise.race([Promise.all(rest), new Promise((done) => setTimeout(done, 5000))]);
  await new Promise(requestAnimationFrame);
}

// The elements that reach past the right edge of the page, innermost first. Elements inside a box
// that scrolls or clips do not make the page scroll.
function sideways() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return null;
  const contained = (element) => {
    for (let e = element.parentElement; e && e !== document.body; e = e.parentElement) {
      if (getComputedStyle(e).overflowX !== "visible") return true;
    }
    return false;
  };
  const past = [...document.body.querySelectorAll("*")]
    .filter((e) => e.getBoundingClientRect().right > width + 0.5 && !contained(e));
  return {
    width,
    needs: document.documentElement.scrollWidth,
    elements: past.filter((e) => !past.some((other) => e !== other && e.contains(other))).slice(0, 8)
      .map((e) => `${name(e)} ends at ${Math.round(e.getBoundingClientRect().right)}`),
  };
}
