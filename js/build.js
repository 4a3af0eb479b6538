/**
 * Bundles the client into the files that the Python package serves: the script, and the rendering of HTML.
 * `--verify` compares instead of writing.
 */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

const verify = process.argv.includes("--verify");
const entries = { "quart-stash": "index", "quart-stash-morph": "morph" };

for (const [name, entry] of Object.entries(entries)) {
  const target = fileURLToPath(new URL(`../quart_stash/static/${name}.js`, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`src/${entry}.js`, import.meta.url))],
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
  if (!verify) {
    await writeFile(target, bundle);
    console.log(`${name}.js: ${bundle.length} bytes, ${brotliCompressSync(bundle).length} with brotli`);
  } else if (!(await readFile(target).catch(() => Buffer.alloc(0))).equals(bundle)) {
    console.error(`quart_stash/static/${name}.js is not what js/src builds to; run \`npm run build\` in js/`);
    process.exitCode = 1;
  }
}
