// Reads JUnit files with three packages and prints what each of them counts:
// node read.mjs FOLDER-OF-node_modules FILE...
import { createRequire } from "node:module";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [home, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(home, "package.json")));
const { parse } = await import(pathToFileURL(join(home, "node_modules/junit2json/dist/esm/index.js")));

const cases = { tests: 0, failures: 0, errors: 0, skipped: 0 };
const root = { tests: 0, failures: 0, errors: 0 };
for (const file of files) {
  const doc = await parse(readFileSync(file, "utf8"));
  for (const k of Object.keys(root)) root[k] += doc[k];
  for (const c of doc.testsuite.flatMap((s) => s.testcase)) {
    cases.tests++;
    if (c.failure) cases.failures++;
    if (c.error) cases.errors++;
    if (c.skipped) cases.skipped++;
  }
}

const results = require("test-results-parser").parse({ type: "junit", files });
const parser = { tests: results.total, failures: results.failed, errors: results.errors };

const out = join(home, "merged.xml");
await require("junit-report-merger").mergeFiles(out, files);
const attr = (k) => Number(new RegExp(`<testsuites[^>]* ${k}="(\\d+)"`).exec(readFileSync(out, "utf8"))[1]);
const merger = { tests: attr("tests"), failures: attr("failures"), errors: attr("errors"), skipped: attr("skipped") };
rmSync(out);

console.log(JSON.stringify({ cases, root, parser, merger }));
