// The server's examples of its answers and requests against the types of the pages: a
// field that one side renames, adds or leaves out is found here, by the compiler.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { expect, it } from "vitest";

const console_ = resolve(import.meta.dirname, "..");
const examples = resolve(console_, "../internal/console/wire/testdata");

// Names that mean something else in a browser, or are a second example of a type.
const types: Record<string, string> = { Events: "KubeEvents", TenantRemoving: "Tenant" };

/** check compiles the text beside the pages' types and returns what the compiler says. */
function check(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "wire-"));
  try {
    writeFileSync(join(folder, "check.ts"), `import type * as wire from "${console_}/src/api/types";\n${text}`);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: join(console_, "tsconfig.json"), compilerOptions: { types: [], noUnusedLocals: false }, include: ["check.ts"] }));
    execFileSync(join(console_, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    return "";
  } catch (error) {
    return String((error as { stdout?: string }).stdout ?? error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it("every example fits its type", { timeout: 60_000 }, () => {
  const files = readdirSync(examples).filter((file) => file.endsWith(".json") && file !== "routes.json");
  expect(files.length).toBeGreaterThan(20);
  const text = files.map((file) => {
    const name = basename(file, ".json");
    return `export const ${name} = ${readFileSync(join(examples, file), "utf8").trim()} satisfies wire.${types[name] ?? name};`;
  });
  expect(check(text.join("\n"))).toBe("");
});

it("an example that does not fit is refused", { timeout: 60_000 }, () => {
  expect(check(`export const x = { kind: "tenants", name: "acme", colour: "red" } satisfies wire.Change;`)).toContain("colour");
  expect(check(`export const x = { name: "acme" } satisfies wire.Change;`)).toContain("kind");
});
