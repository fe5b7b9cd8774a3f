// The design tokens. Every colour is a CSS variable with a light and a dark value, so that a utility such as bg-card is
// right in both; static/colours_test.go holds the pairs that carry text to WCAG AA. Dark is designed, not inverted.

const light = {
  paper: "#fbf7f1", // the page: warm, not grey
  card: "#ffffff", // what lies on it
  sunk: "#f5eee4", // what is pressed into a card: tracks, tabs, table heads
  ink: "#1d1720", // text
  soft: "#6a606e", // second voice
  line: "#eae2d8", // hairlines
  edge: "#8f8494", // borders of things that one can type into or press
  accent: "#d42a5b", // the one loud colour: only on the action that matters
  "accent-strong": "#b51e4a",
  "accent-ink": "#ffffff",
  "accent-wash": "#fdeef2", // a breath of it, behind icons and my own plan
  warn: "#8a4b00",
  "warn-wash": "#fff1d6",
  bad: "#a3173f",
  "bad-wash": "#fde9ed",
  ok: "#0b6e4f",
  "ok-wash": "#e3f4ed",
  // Where tokens come from. Told apart by colour-blind people, at least 3:1 on a card, and never without the name beside.
  plan: "#5b4bdb",
  promo: "#c27c00",
  adjustment: "#0072b2",
  purchase: "#0a8f6a",
  // What used the tokens: Okabe and Ito's colours, deepened where white paper asks for it; most used first.
  "series-a": "#0072b2",
  "series-b": "#cc8100",
  "series-c": "#a93a7a",
  "series-d": "#00805e",
  "series-e": "#8c2c00",
  "series-f": "#3b97cc",
  "series-g": "#797000",
  "series-rest": "#8f8a94",
};

const dark = {
  paper: "#16121a",
  card: "#1f1a24",
  sunk: "#151119",
  ink: "#f4eef6",
  soft: "#a99fb0",
  line: "#332b3a",
  edge: "#7d7286",
  accent: "#ff6f96",
  "accent-strong": "#ff8fae",
  "accent-ink": "#2a0512",
  "accent-wash": "#38202c",
  warn: "#ffce80",
  "warn-wash": "#3a2a10",
  bad: "#ffa3b8",
  "bad-wash": "#421d29",
  ok: "#5fd3ab",
  "ok-wash": "#17342c",
  plan: "#9d91ff",
  promo: "#f0b73c",
  adjustment: "#56b4e9",
  purchase: "#4fd0a5",
  "series-a": "#56b4e9",
  "series-b": "#f0b73c",
  "series-c": "#e39cc4",
  "series-d": "#2fb68a",
  "series-e": "#e2713a",
  "series-f": "#3f7fd0",
  "series-g": "#f3ea8a",
  "series-rest": "#857c8c",
};

const shadow = {
  light: "0 1px 2px #1d17200d, 0 8px 24px #1d17200a",
  dark: "none",
};

const variables = (colours, card) => ({
  ...Object.fromEntries(Object.entries(colours).map(([name, value]) => [`--${name}`, value])),
  "--lift": card,
});

/** @type {import("tailwindcss").Config} */
module.exports = {
  theme: {
    extend: {
      colors: Object.fromEntries(Object.keys(light).map((name) => [name, `var(--${name})`])),
      fontFamily: {
        display: ["Bricolage Grotesque", "Inter", "system-ui", "sans-serif"],
        sans: ["Inter", "system-ui", "sans-serif"],
      },
      borderRadius: { control: "0.9rem", small: "0.7rem", card: "1.4rem" },
      boxShadow: { lift: "var(--lift)" },
      maxWidth: { page: "67.5rem", prose: "34rem" },
    },
  },
  plugins: [
    // The system decides unless the creator chose: <html data-theme="light"> or "dark". Paper is always light.
    ({ addBase }) =>
      addBase({
        ":root": { ...variables(light, shadow.light), "color-scheme": "light" },
        "@media screen and (prefers-color-scheme: dark)": {
          ':root:not([data-theme="light"])': { ...variables(dark, shadow.dark), "color-scheme": "dark" },
        },
        "@media screen": {
          ':root[data-theme="dark"]': { ...variables(dark, shadow.dark), "color-scheme": "dark" },
        },
      }),
  ],
};
