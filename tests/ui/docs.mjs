// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// docs/api.md names the columns of rows that are arrays as the answers have them, and the states:
// node docs.mjs CONTRACT.ts API.md
import { readFileSync } from 'node:fs';

const [contract, docs] = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'));
const said = docs.replace(/\s+/g, ' ');
const tables = [...contract.matchAll(/^export type (\w+) = \[(.*)\];$/gm)].map(([, name, text]) =>
	[name, [...text.matchAll(/(\w+): \w+/g)].map((m) => m[1])]);
let failed = tables.length < 4;
for (const [name, columns] of tables) {
	if (said.includes(`[${columns.join(', ')}]`)) continue;
	failed = true;
	console.log(`docs/api.md does not say [${columns.join(', ')}] (${name})`);
}
process.exit(failed ? 1 : 0);
