// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Lanes of CPUs, who ran instead and why one waited, on a recording of tests/targets/turns:
// node why.mjs URL FOLDER LATE SPIN WANT HOLD AT
import { assert, until } from './browser.mjs';
import { ask, run, shot } from './page.mjs';

const [url, , late, spin, want, hold, at] = process.argv.slice(2);
const go = async (page, goid) => {
	await page.evaluate(() => window.timeline.canvas.focus());
	await ask(page, goid);
	await until('its panel', () => page.locator('.panel h2').textContent(), (t) => t === `Goroutine ${goid}`);
};
const cpus = (page) => page.getByLabel('CPUs', { exact: true }).and(page.locator('input'));
const lanesHeight = (page) => page.locator('.cpus canvas').evaluate((c) => c.clientHeight).catch(() => 0);

const steps = (name) => ({
	async 'the switch in the bar shows a lane a CPU, and is remembered'(page) {
		await page.goto(url);
		await page.waitForFunction(() => window.timeline?.entries.length > 8);
		assert(await page.locator('.cpus').count() === 0, 'lanes are shown though nobody asked');
		await cpus(page).check();
		const n = await page.evaluate(async () => (await (await fetch('/api/live/sched/cpus?from=0')).json()).cpus.length);
		assert(n > 0, 'there are no lanes');
		await until('a lane each', () => lanesHeight(page), (h) => h === n * 18);
		await page.reload();
		await until('the lanes again', () => lanesHeight(page), (h) => h === n * 18);
		await shot(page, `cpus-${name}`);
	},
	async 'one key: who ran instead, and a click to him'(page) {
		await go(page, late);
		await page.keyboard.press('r');
		const first = page.locator('.why .ran tbody tr').first();
		await first.waitFor();
		assert((await first.textContent()).startsWith(`${spin} main.spin`), `first is ${await first.textContent()}`);
		await page.locator('.why .link', { hasText: 'show it with the CPUs' }).click();
		await until('it is in sight', () => page.evaluate(() => window.timeline.view.t1 - window.timeline.view.t0), (ns) => ns < 1e9);
		await shot(page, `ran-${name}`);
		await first.locator('.link').click();
		await until('him', () => page.locator('.panel h2').textContent(), (t) => t === `Goroutine ${spin}`);
	},
	async 'one key: why it waited, to the root'(page) {
		const close = page.locator('.panel-head').getByLabel('Close'), root = page.locator('.why .chain .root');
		// At the pointer, in the middle of the wait that is known. What appears above the rows (what is wrong) moves them away from it.
		await until('why it waited', async () => {
			if (await close.count()) await close.click(); // on a narrow screen it is over the rows
			const [x, y] = await page.evaluate(async ([goid, at]) => {
				const t = window.timeline, { first_ns: origin } = await (await fetch('/api/live/status')).json(), r = t.canvas.getBoundingClientRect();
				t.view.t0 = at - origin - 2e7;
				t.view.scale = 1e8 / t.view.width;
				t.reveal(goid);
				t.redraw();
				return [r.left + t.labels + t.view.x(at - origin + 2e7), r.top + t.rowTop(t.indexOf(goid)) + t.rowHeight / 2];
			}, [Number(want), Number(at)]);
			await page.mouse.move(x, y);
			await page.keyboard.press('b');
			return root.waitFor({ timeout: 3000 }).then(() => true, () => false);
		}, Boolean);
		const last = page.locator('.why .chain .hop').last();
		await until('who had the lock', () => last.textContent(), (t) => t.startsWith(`${hold} main.hold`));
		assert((await root.textContent()).startsWith('Root: timer'), 'the root is another');
		assert(await page.locator('.why .chain .estimate').count() === 0, 'facts are drawn as an estimate');
		const before = await lanesHeight(page);
		await page.locator('.why button', { hasText: 'who waited for this' }).click();
		await until('a row of them', () => lanesHeight(page), (h) => h === before + 34);
		// Nothing is over it, at any width, however many lanes there are.
		await until('the row is in sight', () => page.evaluate(() => {
			const r = document.querySelector('.crowd-close').getBoundingClientRect(), at = (x) => document.elementFromPoint(x, r.top + r.height / 2);
			return !!at(r.left + r.width / 2)?.closest('.crowd-close') && at(r.right + 60)?.closest('.cpus') !== null && r.height > 0;
		}), Boolean);
		await shot(page, `blame-${name}`);
		await page.locator('.crowd-close').click();
		await until('it is gone', () => lanesHeight(page), (h) => h === before);
		await last.locator('.link').click();
		await until('the one who had it', () => page.locator('.panel h2').textContent(), (t) => t === `Goroutine ${hold}`);
	},
});

let failed = await run({ width: 1280 }, steps('1280-light'));
for (const [width, theme] of [[390, 'dark'], [1440, 'dark'], ...(process.argv[3] ? [[390, 'light'], [1280, 'dark'], [1440, 'light']] : [])]) {
	if (width === 390 || process.argv[3]) failed += await run({ width, theme, height: width < 500 ? 844 : 800 }, steps(`${width}-${theme}`));
}
process.exit(failed ? 1 : 0);
