/** Bundles the client into the one file that the Python package serves. `--verify` compares instead of writing. */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

const target = fileURLToPath(new URL("../quart_stash/static/quart-stash.js", import.meta.url));

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("src/index.js", import.meta.url))],
  absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
  outfile: target,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  write: false,
});
const bundle = outputFiles?.[0]?.contents;
if (!bundle) throw new Error("esbuild made no bundle");

if (process.argv.includes("--verify")) {
  const committed = await readFile(target).catch(() => Buffer.alloc(0));
  if (!committed.equals(bundle)) {
    console.error("quart_stash/static/quart-stash.js is not what js/src builds to; run `npm run build` in js/");
    process.exitCode = 1;
  }
} else {
  await writeFile(target, bundle);
  console.log(`${bundle.length} bytes, ${brotliCompressSync(bundle).length} with brotli`);
}
