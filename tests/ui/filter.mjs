// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The UI's reading of the filter language against the cases shared with core/view/filter.c:
// node filter.mjs FILTER.js (filter.ts, compiled)
import { readFileSync } from 'node:fs';

const { parseFilter } = await import(process.argv[2]);
const data = JSON.parse(readFileSync(new URL('../data/filter.json', import.meta.url)));
const STATES = { runnable: 1, running: 2, waiting: 4, dead: 6, unknown: 12 };
const FLAGS = { exited: 1, system: 2, found: 4 };
const rows = data.rows.map((r) => ({
	...r, state: STATES[r.state], created: r.created_s * 1e9, since: r.since_s * 1e9,
	exited: (r.exited_s ?? 0) * 1e9, waiting: 0, runnable: 0,
	flags: r.flags.reduce((sum, f) => sum | FLAGS[f], 0),
}));
let failed = 0;
for (const { filter, match } of data.cases) {
	const test = parseFilter(filter);
	const got = rows.filter((r) => test(r, 100e9)).map((r) => r.goid);
	if (String(got) !== String(match)) {
		failed++;
		console.log(`"${filter}": got ${got}, wanted ${match}`);
	}
}
for (const { filter, why } of data.bad) {
	let said = 'nothing';
	try {
		parseFilter(filter);
	} catch (e) {
		said = e.message;
	}
	if (said !== why) {
		failed++;
		console.log(`"${filter}": said ${said}, wanted ${why}`);
	}
}
process.exit(failed ? 1 : 0);
