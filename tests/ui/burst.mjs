// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// 100,000 goroutines of a real program start, and end at once: node burst.mjs URL SHOTS MOUNT INPUT OUTPUT
import { appendFileSync, readFileSync, readdirSync } from 'node:fs';
import { assert, until } from './browser.mjs';
import { run } from './page.mjs';

const [url, , mount, input, output] = process.argv.slice(2);
const N = 100000;
const status = (page) => page.evaluate(() => fetch('/api/live/status').then((r) => r.json()));
const says = (text) => until(text, () => readFileSync(output, 'utf8'), (t) => t.includes(text), 60);
const legend = (page) => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('.legend > button')].map((b) => b.innerText.trim().split(/\s+/))));
const shown = (page) => page.evaluate(() => ({ rows: window.timeline.entries.reduce((n, e) => n + (e.lane?.rows.length ?? 1), 0),
	alive: window.timeline.entries.filter((e) => e.row && !e.row.exited).length }));
const counts = () => Object.fromEntries(readFileSync(`${mount}/by-state/COUNTS`, 'utf8').trim().split('\n').slice(1).map((l) => l.split('\t')).map(([k, n]) => [k, Number(n)]));

process.exit(await run({}, {
	async 'they are counted while their rows still come'(page) {
		await page.goto(url);
		await page.waitForFunction(() => window.timeline?.entries.length > 0);
		appendFileSync(input, `more ${N}\n`);
		await says(`more ${N + 1}`);
		const begun = Date.now();
		await until('the legend', () => legend(page), (l) => l.waiting === '100k');
		console.log(`the legend has them after ${Date.now() - begun} ms`);
		await until('their rows', () => shown(page), (s) => s.alive > N);
		assert(counts().waiting >= N, `COUNTS: ${JSON.stringify(counts())}`);
	},
	async 'they end: legend, rows, COUNTS and folders'(page) {
		appendFileSync(input, `fewer ${N}\n`);
		await says('fewer 1');
		const begun = Date.now();
		await until('the legend', () => legend(page), (l) => l.runnable === '0' && Number(l.waiting) < 20);
		console.log(`the legend has let them go after ${Date.now() - begun} ms`);
		await until('the rows', () => shown(page), (s) => s.alive < 20 && s.rows < 11000);
		console.log(`the rows are gone after ${Date.now() - begun} ms`);
		const { states, exited_retained: dead } = await status(page), said = counts();
		for (const state of ['waiting', 'runnable', 'running', 'syscall'])
			assert(Math.abs((said[state] ?? 0) - states[state]) <= 2, `${state}: COUNTS ${said[state]}, REST ${states[state]}`);
		assert(said.dead === dead && readdirSync(`${mount}/by-state/dead`).length === dead, `dead: COUNTS ${said.dead}, REST ${dead}`);
	},
}) ? 1 : 0);
