// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two real processes of one binary: node processes.mjs URL FOLDER MOUNT PID OTHER_PID
import { existsSync, readFileSync } from 'node:fs';
import { assert, until } from './browser.mjs';
import { run, shot, view } from './page.mjs';

const [url, , mount, ...pids] = process.argv.slice(2);
const chooser = (page) => page.getByLabel('Process', { exact: true });
const workers = (page) => page.evaluate(() => window.timeline.entries.filter((e) => e.row?.func === 'main.(*server).forgotten' && !e.row.exited).length);

// Only the second one leaks.
const steps = {
	async 'both are there, each with its own goroutines'(page) {
		await page.goto(url);
		await chooser(page).waitFor();
		const options = await until('both', () => chooser(page).locator('option').allTextContents(), (o) => o.length === 2);
		for (const pid of pids) assert(options.some((o) => o.includes(pid)), `${pid} is not in ${options}`);
		const of = (pid) => String(options.findIndex((o) => o.includes(pid)));
		for (const [pid, n] of [[pids[1], 3], [pids[0], 0], [pids[1], 3]]) {
			await chooser(page).selectOption(of(pid));
			await until(`what leaks in ${pid}`, () => workers(page).catch(() => -1), (got) => got === n);
		}
		await until('the address', () => page.evaluate(() => location.hash), (h) => h.includes('proc=') === (of(pids[1]) !== '0'));
	},
	async 'its paths in the mount are there'(page) {
		await page.reload();
		await until('the same one', () => workers(page).catch(() => -1), (n) => n === 3);
		await page.getByLabel('Filter goroutines').fill('forgotten');
		await page.getByLabel('Filter goroutines').press('Enter');
		const command = await until('its path', () => page.locator('.panel .path code').first().textContent(), (t) => t?.startsWith('cat '));
		const path = command.slice(4);
		assert(path.startsWith(mount) && existsSync(path), `${path} is not there`);
		assert(readFileSync(path, 'utf8').includes('main.(*server).forgotten'), `${path} is about another one`);
		await shot(page, 'live-processes');
	},
	// The first one goes on.
	async 'one that has ended is as it was then, and says so'(page, problems) {
		const now = async (pid) => page.evaluate(async (pid) => {
			const get = async (proc) => (await fetch(`/api/live/status?proc=${proc}`)).json();
			return (await get((await get(0)).processes.findIndex((p) => p.pid === pid))).now_ns;
		}, Number(pid));
		await page.locator('.panel-head').getByLabel('Close').click();
		process.kill(Number(pids[1]));
		await until('it has ended', () => chooser(page).locator('option').allTextContents(), (o) => o.some((t) => t.includes(pids[1]) && t.includes('exited')));
		await page.locator('.banner', { hasText: 'The program has ended' }).waitFor();
		await page.locator('.light.ended').waitFor();
		// What was asked for before the page knew is gone; from now on nothing of the kind is asked for.
		const since = new Set(), again = [];
		page.on('request', (rq) => since.add(rq));
		page.on('response', (r) => { if (r.status() === 410 && since.has(r.request())) again.push(r.url()); });
		assert(await page.locator('.legend > button.was').count() >= 4, 'the legend counts as if it lived');
		const hover = async () => {
			const y = await page.evaluate(() => window.timeline.canvas.getBoundingClientRect().y + window.timeline.rowTop(0) + 10);
			await page.mouse.move(100, y + 100);
			await page.mouse.move(100, y);
			return page.locator('.tooltip', { hasText: 'age ' }).textContent();
		};
		const end = await now(pids[1]), age = await hover(), before = await now(pids[0]), { t1 } = await view(page);
		await until('the other one goes on', () => now(pids[0]), (t) => t > before + 1.5e9);
		assert(await now(pids[1]) === end, 'the server says it gets older');
		assert(await hover() === age, `${age} became ${await hover()}`);
		assert((await view(page)).t1 === t1, 'the picture moves on');
		await shot(page, 'live-ended');
		assert(!again.length, `asked for what is gone: ${again}`);
		problems.push(...problems.splice(0).filter((p) => !/^410 |status of 410/.test(p)));
	},
};

process.exit(await run({}, steps) ? 1 : 0);
