// Writes the licences of what the pages contain: their packages are part of the program
// that is given away, and ask to be named in it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const out = new URL("../../internal/console/pages/dist/licenses.txt", import.meta.url).pathname;
const folders = execFileSync("npm", ["ls", "--omit=dev", "--all", "--parseable"], { cwd: root, encoding: "utf8" }).trim().split("\n").slice(1).sort();

const parts = folders.map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const text = file && existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8").trim() : `License: ${license}`;
  return `${name} ${version}\n\n${text}\n`;
});
if (parts.length < 10) throw new Error(`only ${parts.length} packages found`);
const fonts = "The fonts Red Hat Display, Red Hat Text and Red Hat Mono are under the SIL Open Font License 1.1, https://openfontlicense.org\n";
writeFileSync(out, [...parts, fonts].join("\n" + "-".repeat(72) + "\n\n"));
