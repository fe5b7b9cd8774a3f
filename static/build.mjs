// Fills assets/ from src/ and node_modules, byte for byte the same each time: CI builds again and compares.
// The stylesheet is written by the Tailwind command that follows this one in package.json.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const here = (path) => new URL(path, import.meta.url);
const fonts = "node_modules/@fontsource-variable";

const copies = {
  "app.js": "src/app.js",
  "favicon.svg": "src/favicon.svg",
  "htmx.min.js": "node_modules/htmx.org/dist/htmx.min.js",
  "bricolage-grotesque.woff2": `${fonts}/bricolage-grotesque/files/bricolage-grotesque-latin-wght-normal.woff2`,
  "inter.woff2": `${fonts}/inter/files/inter-latin-wght-normal.woff2`,
};

const licences = {
  "htmx 4.0.1 (htmx.min.js)": "node_modules/htmx.org/LICENSE",
  "Bricolage Grotesque (bricolage-grotesque.woff2)": `${fonts}/bricolage-grotesque/LICENSE`,
  "Inter (inter.woff2)": `${fonts}/inter/LICENSE`,
  "Tailwind CSS (parts of app.css)": "node_modules/tailwindcss/LICENSE",
  "daisyUI (parts of app.css)": "node_modules/daisyui/LICENSE",
};

mkdirSync(here("assets"), { recursive: true });
for (const name of readdirSync(here("assets"))) {
  if (name !== "app.css") rmSync(here(`assets/${name}`));
}
for (const [name, source] of Object.entries(copies)) {
  copyFileSync(here(source), here(`assets/${name}`));
}

const rule = "=".repeat(80);
const texts = Object.entries(licences).map(([what, file]) => `${rule}\n${what}\n${rule}\n\n${readFileSync(here(file), "utf8").trim()}\n`);
writeFileSync(here("assets/LICENSES.txt"), texts.join("\n"));
