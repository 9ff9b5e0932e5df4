// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the tests of the UI look at in its page, and how they go through their steps.
// process.argv[3], when there is one, is the folder for screenshots.
import { join } from 'node:path';
import { assert, open, until } from './browser.mjs';

const shots = process.argv[3];
export const view = (page) => page.evaluate(() => {
	const t = window.timeline, v = t.view;
	return { t0: v.t0, t1: v.t1, scale: v.scale, scrollY: v.scrollY, entries: t.entries.length,
		pinned: !!t.entries[0]?.pinned, edges: t.edges.length, lost: t.series?.lost.some((n) => n) ?? false };
});
export const ready = (page) => page.waitForFunction(() => window.timeline?.entries.length > 10);
export const shot = async (page, name) => { if (shots) await page.screenshot({ path: join(shots, `${name}.png`) }); };
// How much of a canvas, the rows' unless told, has this colour (#rrggbb, or a state's as it is shown, waiting: of any kind), or null any
// that is no grey: 0 to 1.
export const painted = (page, color, which = 'canvas.rows') => page.evaluate(([c, which]) => {
	const canvas = document.querySelector(which);
	const copy = document.createElement('canvas');
	copy.width = canvas.width;
	copy.height = canvas.height;
	const ctx = copy.getContext('2d', { willReadFrequently: true });
	ctx.drawImage(canvas, 0, 0);
	const d = ctx.getImageData(0, 0, copy.width, copy.height).data;
	const states = ['idle', 'runnable', 'running', 'syscall', 'waiting'], shown = window.timeline?.colors;
	const wanted = !c ? [] : c[0] === '#' ? [c] : c === 'waiting' ? [...shown.wait] : [shown.state[states.indexOf(c)]];
	const colors = wanted.map((w) => [1, 3, 5].map((i) => parseInt(w.slice(i, i + 2), 16)));
	const is = c ? (i) => colors.some(([r, g, b]) => Math.abs(d[i] - r) + Math.abs(d[i + 1] - g) + Math.abs(d[i + 2] - b) < 6) :
		(i) => Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 50;
	let n = 0;
	for (let i = 0; i < d.length; i += 4) if (is(i)) n++;
	return n / (d.length / 4);
}, [color, which]);
// Of a text that says how long something was: "2m 05.1s", "≥ 3.2 ms …".
export const nanoseconds = (text) => {
	const unit = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, 'µs': 1e3, ns: 1 };
	return [...text.matchAll(/([\d.]+) ?(ms|µs|ns|h|m|s)/g)].reduce((sum, [, n, u]) => sum + n * unit[u], 0);
};
export const selected = (page) => page.locator('.panel h2').textContent().catch(() => '');

// Goes to a goroutine or a time by the dialog.
export async function ask(page, text) {
	await page.keyboard.press('g');
	await page.keyboard.type(String(text));
	await page.keyboard.press('Enter');
}

// Moves the pointer to the place that `place` finds (none: not yet), and again, until `shown` is there: rows
// and tiles come when they come, and what stood at a place may have moved on meanwhile.
export async function pointAt(page, what, place, shown) {
	let at = null;
	await until(what, async () => {
		at = await place() ?? at;
		if (!at) return false;
		await page.mouse.move(at.x, at.y);
		return shown.first().waitFor({ timeout: 500 }).then(() => true, () => false);
	}, (is) => is);
	return at;
}

// As a page is that was opened just now, whatever a step that failed left behind: held keys, answers made
// up, what was chosen, paused or set.
async function putBack(page, { width = 1280, height = 800, theme = 'light', prepare = async () => {} }, home) {
	await page.unrouteAll({ behavior: 'ignoreErrors' });
	await page.mouse.up();
	for (const key of ['Shift', 'Control']) await page.keyboard.up(key);
	await page.setViewportSize({ width, height });
	await page.emulateMedia({ colorScheme: theme });
	await page.evaluate(() => localStorage.clear());
	await page.goto('about:blank');
	await page.goto(home);
	await page.waitForFunction(() => window.timeline?.entries.length > 0);
	await prepare(page);
}

let failed = 0;
// Each step in turn on one page; answers how many did not do. `options.prepare`: what the first step does to the page for all
// that follow it, done again after one that failed.
export async function run(options, list) {
	const before = failed;
	const { page, problems, close } = await open(options);
	let home = '';
	for (const [name, step] of Object.entries(list)) {
		try {
			await step(page, problems);
			assert(!problems.length, problems.splice(0).join('; '));
			console.log(`ok: ${name}`);
		} catch (e) {
			failed++;
			// What Playwright waited for stands in the lines behind the first.
			console.log(`FAILED: ${name}: ${e.message.split('\n').slice(0, 12).join(' | ').slice(0, 900)}${/[a-z]+\.mjs:\d+/.exec(e.stack ?? '')?.[0].replace(/^/, ' at ') ?? ''}`);
			await shot(page, `failed-${failed}`);
			// One failure stays one.
			if (home) await putBack(page, options, home).catch((x) => console.log(`the page cannot be put back: ${x.message.split('\n')[0]}`));
			problems.length = 0;
		}
		if (!home && page.url().startsWith('http')) home = options.home ?? page.url().split('#')[0];
	}
	await close();
	return failed - before;
}
