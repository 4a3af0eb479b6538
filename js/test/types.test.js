import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "quart-stash-"));
after(() => rmSync(folder, { recursive: true }));

/** @param {string} command @param {string[]} words @param {string} [cwd] */
function run(command, words, cwd = folder) {
  try {
    return execFileSync(command, words, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (error);
    return assert.fail(`${command} ${words.join(" ")}\n${stdout}${stderr}`);
  }
}

/** @param {object} options */
function check(options) {
  const compilerOptions = {
    strict: true, noEmit: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true,
    skipLibCheck: false, target: "ES2022", lib: ["ES2022", "DOM", "DOM.Iterable"], types: [], ...options,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["page.ts"] }));
  run(join(here, "node_modules", ".bin", "tsc"), ["-p", folder]);
}

// As a user has it: packed, and installed where nothing else is, so idiomorph is not there either.
before(() => {
  const packed = JSON.parse(run("npm", ["pack", "--json", "--silent", "--pack-destination", folder], here));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${packed[0].filename}`]);
  cpSync(join(here, "test", "typescript", "page.ts"), join(folder, "page.ts"));
});

for (const [module, moduleResolution] of [["NodeNext", "NodeNext"], ["ESNext", "Bundler"]]) {
  test(`a page in TypeScript is checked against the package as it is installed, with ${moduleResolution}`, () => {
    check({ module, moduleResolution });
  });
}
