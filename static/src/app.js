// Page behaviour beyond htmx. The content security policy forbids inline code and eval.
(() => {
  "use strict";

  const slowest = 5 * 60 * 1000;
  const find = (selector) => document.querySelector(selector);
  const badge = () => find("#badge");
  const isBadge = (ctx) => ctx.sourceElement?.id === "badge";

  // Polling: paused in a hidden tab, slower while the server cannot be reached, and at once after
  // events that change the balance.

  let failures = 0;
  let retryAt = 0;
  let pause = 30_000;

  const pollNow = () => {
    retryAt = 0;
    for (const element of document.querySelectorAll("[data-poll]")) {
      htmx.trigger(element, element.id === "badge" ? "credits-changed" : "poll-now");
    }
  };

  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    if (!ctx.sourceElement?.hasAttribute("data-poll")) return;
    const timer = ctx.sourceEvent?.type === "every";
    const early = isBadge(ctx) && timer && Date.now() < retryAt;
    if (document.hidden || early || (timer && signedOut)) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) pollNow();
  });
  window.addEventListener("online", pollNow);

  // Offline: the last value stays, with its time. The time is the server's, in the creator's zone.

  let asOf = "";

  const clock = (date) => {
    const zone = document.body.dataset.zone;
    try {
      return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone }).format(date);
    } catch {
      return "";
    }
  };

  const failed = () => {
    failures += 1;
    const [, ms] = badge()?.getAttribute("hx-trigger")?.match(/every (\d+)ms/) ?? [];
    pause = Number(ms ?? pause);
    retryAt = Date.now() + Math.min(pause * 2 ** Math.min(failures, 10), slowest) - pause / 2;
    showStale();
  };

  const showStale = () => {
    const element = badge();
    const text = element?.querySelector("[data-stale-text]");
    if (!text) return;
    const words = `as of ${asOf || element.dataset.asOf}`;
    text.textContent = `· ${words}`;
    text.hidden = false;
    element.dataset.stale = "true";
    element.setAttribute("aria-label", `${label(element)}, ${words}`);
  };

  const label = (element) => element.getAttribute("aria-label").replace(/, as of \S+$/, "");

  const answered = (ctx) => {
    failures = 0;
    retryAt = 0;
    sessionGoesOn();
    const date = ctx.response.headers.get("Date");
    if (date) asOf = clock(new Date(date));
    const element = badge();
    if (element?.dataset.stale !== "true") return;
    delete element.dataset.stale;
    element.setAttribute("aria-label", label(element));
    element.querySelector("[data-stale-text]").hidden = true;
  };

  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    const { status } = ctx.response;
    if (status === 401) sessionEnded();
    if (!isBadge(ctx)) return;
    if (status < 400) answered(ctx);
    else if (status !== 401) failed();
    checked();
  });
  document.addEventListener("htmx:error", (event) => {
    if (!event.detail.ctx || !isBadge(event.detail.ctx)) return;
    failed();
    checked();
  });

  // The session has ended: the page keeps what was typed and says so. Polling resumes on an event,
  // such as signing in in another tab.

  let signedOut = false;

  const sessionEnded = () => {
    if (checking) {
      leaving = true;
      location.reload(); // the server shows a cached page to signed-in creators only
      return;
    }
    signedOut = true;
    const notice = find("#signed-out");
    if (!notice) return;
    const here = location.pathname + location.search;
    notice.querySelector("a").href = here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`;
    notice.hidden = false;
  };

  const sessionGoesOn = () => {
    signedOut = false;
    const notice = find("#signed-out");
    if (notice) notice.hidden = true;
  };

  // Live parts of the page are refreshed when the balance changes, and every few seconds while jobs
  // run. The request lists the shown parts with their versions, and the answer has those that have
  // changed.

  const followEvery = 6_000;
  let followed = -followEvery;
  let following = 0;

  const moved = () => {
    if (following) return;
    following = setTimeout(() => {
      following = 0;
      followed = performance.now();
      htmx.trigger(document.body, "balance-moved");
    }, Math.max(0, followed + followEvery - performance.now()));
  };

  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (!ctx.sourceElement?.hasAttribute("data-live")) return;
    const parts = [...document.querySelectorAll("[data-part]")];
    ctx.request.headers["Credits-Shown"] = parts.map((part) => `${part.id}=${part.dataset.part}`).join(", ");
  });

  // Announces changes once, in the page's status region: the level, and agents that stop or resume.

  const shown = () => ({ ...badge()?.dataset });
  let last = shown();

  // An agent that is no longer waiting was resumed if tokens have arrived; otherwise the creator
  // has turned it off.
  const backOn = (now) => {
    if (Number(now.amount) <= Number(last.amount)) return "";
    const waiting = JSON.parse(now.back);
    return Object.entries(JSON.parse(last.back))
      .filter(([name]) => !(name in waiting))
      .map(([, words]) => words)
      .join(" ");
  };

  const news = (now) => {
    const words = [];
    if (now.level !== last.level) words.push(now.announce);
    if (Number(now.paused) > Number(last.paused)) words.push(now.announcePaused);
    words.push(backOn(now));
    return words.filter(Boolean).join(" ");
  };

  document.addEventListener("htmx:after:swap", (event) => {
    const element = badge();
    const source = event.detail.ctx.sourceElement;
    if (!element || source !== element || event.detail.ctx.response?.status !== 200) return;
    if (element.dataset.owner !== document.body.dataset.owner) {
      location.reload(); // another creator has signed in in another tab
      return;
    }
    const words = news(element.dataset);
    if (words) find("#announce").textContent = words;
    last = shown();
    moved();
    // The pressed button is removed with its notice: move the focus to the top of the page. A poll
    // may happen in between.
    if (dismissing && !find("[data-dismiss]")) {
      dismissing = false;
      if (document.activeElement === document.body) find("#main").focus({ preventScroll: true });
    }
  });

  // Forms: a button is pressed once. A page from the browser's cache can be used again.

  let dismissing = false;

  const buttons = (form) => (form.closest("[data-together]") ?? form).querySelectorAll("button");
  const enable = (form) => {
    for (const button of buttons(form)) button.disabled = false;
    form.removeAttribute("aria-busy");
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.hasAttribute("data-dismiss")) dismissing = true;
    // After the browser has collected the form, otherwise the pressed button's own value would be
    // missing.
    setTimeout(() => {
      form.setAttribute("aria-busy", "true");
      for (const button of buttons(form)) button.disabled = true;
    });
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const form = event.detail.ctx.sourceElement;
    if (form instanceof HTMLFormElement) setTimeout(() => enable(form));
  });

  // A page from the browser's cache is covered until the server has confirmed that this creator is
  // still signed in. Then the balance, the live parts and the keys of forms are refreshed, since
  // each key is good for one order.

  let checking = false;
  let leaving = false; // to the sign-in page: the page stays covered, also when pending requests fail

  const checked = () => {
    if (leaving) return;
    checking = false;
    document.documentElement.removeAttribute("data-checking");
  };

  const keys = (root) => [...root.querySelectorAll('form input[type="hidden"][name="key"]')];

  const renewKeys = async () => {
    const old = keys(document);
    if (old.length === 0) return;
    const answer = await fetch(location.href, { headers: { "HX-Request": "true" } });
    const fresh = keys(new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (!answer.ok || fresh.length !== old.length) {
      location.reload();
      return;
    }
    old.forEach((input, i) => (input.value = fresh[i].value));
  };

  const cover = () => {
    if (!badge()) return;
    checking = true;
    document.documentElement.setAttribute("data-checking", "");
  };

  const restored = () => {
    for (const form of document.forms) enable(form);
    cover();
    if (!checking) return;
    pollNow();
    moved();
    renewKeys().catch(() => {}); // offline: the old keys cannot order twice
  };

  window.addEventListener("pageshow", (event) => {
    if (event.persisted) restored();
  });
  const arrival = performance.getEntriesByType("navigation")[0];
  const cameBack = arrival?.type === "back_forward";
  // htmx starts in a task of its own, which may run after the load event. It was queued before this
  // one.
  const htmxStarted = new Promise((resolve) => setTimeout(resolve));
  const onceLoaded = (work) => addEventListener("load", () => htmxStarted.then(work));
  if (cameBack && arrival.transferSize === 0) {
    cover();
    onceLoaded(restored);
  }

  // Going back to a list that was continued loads as many pages as before and restores the
  // position. A cached page needs none of this.

  const most = 20;
  const place = () => `place ${location.pathname}${location.search}`;
  let continued = 0;

  // By the target: the link itself is replaced by its answer, and htmx then names another source.
  const loadsMore = (event) => event.detail.ctx.target?.id === "history-rows";

  document.addEventListener("htmx:after:swap", (event) => {
    if (loadsMore(event)) continued += 1;
  });
  window.addEventListener("pagehide", () => {
    if (!find("#history-more")) return;
    sessionStorage.setItem(place(), JSON.stringify({ continued: Math.min(continued, most), top: scrollY }));
  });

  const loadMore = () =>
    new Promise((resolve) => {
      const link = find("#history-more-link");
      if (!link?.hasAttribute("hx-get")) return resolve(false);
      const done = (event) => {
        if (!loadsMore(event)) return;
        document.removeEventListener("htmx:finally:request", done);
        resolve(event.detail.ctx.response?.status === 200);
      };
      document.addEventListener("htmx:finally:request", done);
      link.click();
    });

  const keepPlace = async () => {
    const kept = JSON.parse(sessionStorage.getItem(place()) ?? "null");
    if (!kept || !find("#history-more")) return;
    for (let i = 0; i < kept.continued && (await loadMore()); i++);
    scrollTo({ top: kept.top, behavior: "instant" });
  };

  if (cameBack) onceLoaded(keepPlace);

  // A chart's bars are one tab stop: arrow keys move between bars, and Escape hides a bar's
  // tooltip.

  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

  document.addEventListener("keydown", (event) => {
    const bar = event.target.closest?.("[data-bars] > *");
    if (!bar || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") bar.blur();
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const bars = [...bar.parentElement.children];
    const next = bars[Math.min(Math.max(bars.indexOf(bar) + step, 0), bars.length - 1)];
    for (const other of bars) other.tabIndex = other === next ? 0 : -1;
    next.focus();
  });

  // Sets the header's height, which the stylesheet keeps clear when scrolling to an element.

  const header = find("#header");
  if (header) {
    const sheet = new CSSStyleSheet();
    document.adoptedStyleSheets.push(sheet);
    const measure = () => sheet.replaceSync(`html { --header: ${header.offsetHeight}px }`);
    measure();
    new ResizeObserver(measure).observe(header);
  }

  // The text typed into a tool is kept in this tab until the tool has run. Signing out removes it.

  const draftPrefix = "draft:";
  const draftStore = (() => {
    try {
      return window.sessionStorage;
    } catch {
      return null; // storage is turned off
    }
  })();

  const readDraft = (key) => {
    try {
      return JSON.parse(draftStore?.getItem(draftPrefix + key) ?? "null");
    } catch {
      return null;
    }
  };
  const writeDraft = (key, draft) => {
    try {
      draftStore?.setItem(draftPrefix + key, JSON.stringify(draft));
    } catch {
      // The storage is full or forbidden.
    }
  };
  const forgetDrafts = (which) => {
    for (const key of Object.keys(draftStore ?? {})) {
      if (!key.startsWith(draftPrefix)) continue;
      if (which(readDraft(key.slice(draftPrefix.length)))) draftStore.removeItem(key);
    }
  };

  const saveDraft = (form, sent) => {
    const { text, fail } = form.elements;
    writeDraft(form.dataset.draft, { text: text.value, fail: fail.checked, sent });
  };

  const draftForm = find("form[data-draft]");
  if (draftForm) {
    const { text, fail } = draftForm.elements;
    const draft = readDraft(draftForm.dataset.draft);
    // The server's value is newer: it comes from the URL, or from the answer to the form.
    if (draft && text.value === "" && !draftForm.hasAttribute("data-answer")) {
      text.value = draft.text;
      fail.checked = draft.fail;
    } else if (text.value !== "") {
      saveDraft(draftForm, false);
    }
    draftForm.addEventListener("input", () => saveDraft(draftForm, false));
    draftForm.addEventListener("submit", () => saveDraft(draftForm, true));
  }
  const ran = find("[data-ran]")?.dataset.ran;
  if (ran !== undefined && !draftForm) forgetDrafts((draft) => draft?.sent && draft.text.trim() === ran);
  if (find('[data-page="signin"]')) forgetDrafts(() => true);
  document.addEventListener("submit", (event) => {
    if (event.target.matches('[action="/logout"]')) forgetDrafts(() => true);
  });

  // The print button needs the script, so it is hidden without.

  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  // Moves the focus to the first invalid field.

  find('[aria-invalid="true"]')?.focus();
})();
