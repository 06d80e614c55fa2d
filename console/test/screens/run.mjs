// Opens every screen and every state of it in Chromium, light and dark: axe finds
// nothing, nothing is said on the browser's console, the policy refuses nothing, and from
// the phone to the desktop nothing sticks out. What the page asks by itself says so, or the
// session would never fall idle. Pictures go to PICTURES, if that is set.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { example, serve } from "./server.mjs";
import { screens } from "./screens.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = process.env.PICTURES;
if (folder) mkdirSync(folder, { recursive: true });
const only = process.argv[2];
const findings = [];
let looked = 0;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// What is looked at: a theme, a width, and whether axe looks too.
const looks = [["light", 1280, true], ["dark", 1280, true], ["light", 768, false], ["dark", 360, true]];

/** visit opens a screen once, and looks at it in both themes and all sizes. */
async function visit(screen) {
  let where = screen.name;
  const server = await serve(screen.answers ?? {});
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
  const page = await context.newPage();
  // The examples were written at noon of one day; ages are told from there.
  await page.clock.setFixedTime(new Date(example("Tenants").now));
  page.on("console", (message) => {
    // A refusal the screen is about is told by Chromium as well.
    if (message.type() === "error" && !(screen.answers && /status of \d+|ERR_EMPTY_RESPONSE/.test(message.text()))) findings.push(`${where}: console: ${message.text()}`);
  });
  const byPerson = [];
  page.on("request", (request) => {
    const { pathname, origin } = new URL(request.url());
    if (origin !== server.url && !request.url().startsWith("data:")) findings.push(`${where}: asked somebody else: ${request.url()}`);
    if (request.method() !== "GET" || !pathname.startsWith("/api/") || pathname === "/api/v1/events") return;
    if (!request.headers()["console-background"]) byPerson.push(pathname);
  });
  page.on("pageerror", (error) => findings.push(`${where}: ${error}`));
  try {
    await page.goto(server.url + screen.path);
    await page.getByText(screen.shows, { exact: false }).first().waitFor({ timeout: 30_000 });
    for (const step of screen.steps ?? []) await step(page, byPerson);
    // One renewal for what the steps did, and not one without them.
    const allowed = screen.steps ? ["/api/v1/session"] : [];
    if (byPerson.length > allowed.length || byPerson.some((path) => !allowed.includes(path))) findings.push(`${where}: asked as if by a person: ${byPerson.join(", ")}`);
    // As CDP evaluates it: the page's own policy stays in force for the page.
    await page.evaluate(axe + ";0");
    for (const [theme, width, judged] of looks) {
      where = `${screen.name}, ${theme}, ${width} px`;
      await look(page, where, theme, width, judged);
      if (folder) await picture(page, `${screen.name}-${theme}-${width}`, width);
      looked++;
    }
  } catch (error) {
    findings.push(`${where}: ${String(error).slice(0, 400)}`);
    if (folder) await page.screenshot({ path: join(folder, `${screen.name}-failed.png`) }).catch(() => undefined);
  }
  await context.close();
  server.close();
}

async function look(page, where, theme, width, judged) {
  await page.setViewportSize({ width, height: 900 });
  await page.evaluate((dark) => document.documentElement.classList.toggle("pf-v6-theme-dark", dark), theme === "dark");
  // PatternFly measures the window and then lays out anew.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const { violations } = !judged ? { violations: [] } : await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  for (const violation of violations) findings.push(`${where}: axe ${violation.id}: ${violation.help}: ${violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ")}`);
  for (const out of await page.evaluate(sticksOut)) findings.push(`${where}: sticks out: ${out}`);
}

/** sticksOut runs in the page: what is cut off or scrolls where nothing should. */
function sticksOut() {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push("the page, sideways");
  // The screen scrolls inside its frame; a second bar beside that one is a mistake.
  if (root.scrollHeight > root.clientHeight + 1) found.push(`the page, downwards by ${root.scrollHeight - root.clientHeight} px`);
  const frame = document.querySelector("#main");
  if (frame && frame.scrollWidth > frame.clientWidth) found.push("the frame, sideways");
  for (const cell of document.querySelectorAll("main table, main td, main h1, main button")) {
    const { right, width } = cell.getBoundingClientRect();
    // Tabs have arrows for what does not fit.
    if (width > 0 && right > innerWidth + 1 && !cell.closest(".pf-v6-c-tabs")) found.push(cell.outerHTML.slice(0, 120));
  }
  for (const label of document.querySelectorAll("main button .pf-v6-c-button__text, main th")) {
    if (label.scrollWidth > label.clientWidth + 1 && getComputedStyle(label).display !== "inline") found.push("cut: " + label.textContent);
  }
  return found.slice(0, 5);
}

/** picture makes the window as high as the screen, within reason: PatternFly scrolls inside its own container. */
async function picture(page, name, width) {
  const height = await page.evaluate(() => Math.max(900, (document.querySelector("#main")?.scrollHeight ?? 0) + 90));
  await page.setViewportSize({ width, height: Math.min(height, 1500) });
  await page.screenshot({ path: join(folder, name + ".png") });
}

for (const screen of screens) {
  if (!only || screen.name.includes(only)) await visit(screen);
}
await browser.close();
if (looked === 0) findings.push("no screen was looked at");
for (const finding of findings) console.error(finding);
console.log(`${looked} looks at ${screens.length} screens, ${findings.length} findings`);
process.exit(findings.length === 0 ? 0 : 1);
