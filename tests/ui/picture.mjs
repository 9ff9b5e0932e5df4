// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The README's picture: node picture.mjs URL FILE
import { open, until } from './browser.mjs';
import { ask, painted } from './page.mjs';

const [url, file] = process.argv.slice(2);
const { page, close } = await open({ width: 1280, height: 600 });
await page.goto(`${url}#filter=${encodeURIComponent('func:main.*,*conn*serve -func:*forgotten')}`);
const entries = (test) => page.waitForFunction(test);
await entries(() => window.timeline?.view.t1 > 14e9 && window.timeline.entries.length > 12);
// A busy moment that has just been: a request that made goroutines, and who woke whom.
await page.getByRole('button', { name: 'Pause', exact: true }).click();
await page.keyboard.press('d'); // it follows no longer
const moment = await until('a request with children', () => page.evaluate(() => {
	const { entries, view } = window.timeline, families = new Map();
	for (const row of entries.flatMap((e) => e.lane?.rows ?? [e.row])) // one lane has many that have exited
		if (row?.func === 'main.fill' && row.exited && row.created > view.t1 - 6e9) families.set(row.parent, [...families.get(row.parent) ?? [], row]);
	let best = null; // the shortest: others wait for a processor in the middle
	for (const [goid, rows] of families) {
		const last = rows.sort((x, y) => y.created - x.created).slice(0, 5), from = Math.min(...last.map((r) => r.created)), to = Math.max(...last.map((r) => r.exited));
		if (last.length === 5 && (!best || to - from < best.to - best.from)) best = { goid, from, to };
	}
	return best;
}), (m) => m);
await ask(page, moment.goid);
await page.locator('.panel .stack', { hasText: /goroutine \d+ \[/ }).waitFor();
await page.evaluate(({ from, to }) => {
	const pad = (to - from) * 0.7;
	window.timeline.view.goTo(from - pad, to + pad);
	window.timeline.redraw();
}, moment);
await until('it is there', () => page.evaluate(() => !window.timeline.view.target && window.timeline.edges.length), (n) => n > 0);
await until('who waited for a CPU is painted', () => painted(page, 'runnable'), (n) => n > 0.005);
await page.screenshot({ path: file });
await close();
