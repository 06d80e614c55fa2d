// Empties the folder that Go embeds, but for .gitignore, which keeps it in the repository.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const folder = new URL("../../internal/console/pages/dist", import.meta.url).pathname;
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) {
  if (name !== ".gitignore") rmSync(join(folder, name), { recursive: true });
}
