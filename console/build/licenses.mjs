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
// PatternFly brings programs of others and fonts along, without a package of their own.
const popper = join(root, "node_modules/@patternfly/react-core/src/helpers/Popper/thirdparty");
const carried = [["react-popper", "LICENSE"], ["popper-core", "LICENSE.md"]].map(([name, file]) => `${name}, in @patternfly/react-core\n\n${readFileSync(join(popper, name, file), "utf8").trim()}\n`);
const fonts = `The fonts Red Hat Display, Red Hat Text and Red Hat Mono\n\n${readFileSync(new URL("OFL.txt", import.meta.url), "utf8").trim()}\n`;
writeFileSync(out, [...parts, ...carried, fonts].join("\n" + "-".repeat(72) + "\n\n"));
