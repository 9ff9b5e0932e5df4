// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The UI's reading of the filter language against the cases shared with core/view/filter.c:
// node filter.mjs UI BUILD (its folders in the source and in the build)
import { readFileSync } from 'node:fs';
import { load } from './module.mjs';

const { completions, parseFilter, FILTER_FLAGS, STATES } = await load('./filter', "export { FILTER_FLAGS, STATES } from 'contract';");
const data = JSON.parse(readFileSync(new URL('../data/filter.json', import.meta.url)));
const rows = data.rows.map((r) => ({
	...r, state: STATES.indexOf(r.state), created: r.created_s * 1e9, since: r.since_s * 1e9, began: (r.began_s ?? r.since_s) * 1e9,
	exited: (r.exited_s ?? 0) * 1e9, waiting: 0, runnable: 0,
	flags: r.flags.reduce((sum, f) => sum | FILTER_FLAGS[f], 0),
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
// Where no time is asked about, was: is refused; where one is, what else is in the filter holds.
for (const { filter, match } of data.was_cases) {
	const got = rows.filter(parseFilter(filter, true)).map((r) => r.goid);
	let said = '';
	try {
		parseFilter(filter);
	} catch (e) {
		said = e.message;
	}
	if (match.some((goid) => !got.includes(goid)) || !said.startsWith('was: is of a selected time')) {
		failed++;
		console.log(`"${filter}": got ${got}, wanted ${match} among them; said "${said}"`);
	}
}
if (String(completions('was:s', () => [], true)) !== 'was:sync,was:sleep,was:syscall' || completions('was:s', () => []).length || completions('wa', () => []).includes('was:')) {
	failed++;
	console.log(`completions: ${completions('was:s', () => [], true)}`);
}
process.exit(failed ? 1 : 0);
