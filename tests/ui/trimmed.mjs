// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A past of which only the coarse is kept does not look like one that is known: node trimmed.mjs URL [FOLDER for screenshots]
// The server has more events behind it than it keeps, and stands still.
import { assert, until } from './browser.mjs';
import { ready, run, shot } from './page.mjs';

const [url] = process.argv.slice(2);
const look = (page, at, span) => page.evaluate(([at, span]) => {
	const t = window.timeline;
	t.view.scale = span / t.view.width;
	t.view.t0 = at;
	t.view.scrollY = 0;
	t.redraw();
}, [at, span]);
// How many columns of the first rows are stripes over something, and how many are something.
const stripes = (page) => page.evaluate(() => {
	const t = window.timeline, dpr = t.dpr, left = Math.round(t.labels * dpr), y = Math.round(t.rowTop(0) * dpr);
	const copy = document.createElement('canvas'), ctx = copy.getContext('2d', { willReadFrequently: true });
	[copy.width, copy.height] = [t.canvas.width, t.canvas.height];
	ctx.drawImage(t.canvas, 0, 0);
	const h = Math.round(12 * t.rowHeight * dpr), boxes = t.trimmed.length ? t.trimmed : [{ x: left, y, width: copy.width - left, height: h }];
	// Rows that did nothing all the time are whole: there the past is as it was.
	const parts = boxes.filter((b) => b.x >= left && b.width > 0 && b.y > y - 1).map((b) => ctx.getImageData(b.x, b.y, b.width, b.height ?? Math.round(t.rowHeight * dpr)).data);
	const states = t.colors.state.concat(Object.values(t.colors.wait ?? {})).map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
	let pure = 0, colored = 0;
	for (const d of parts) for (let i = 0; i < d.length; i += 4) {
		if (Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) < 25) continue;
		colored++;
		if (states.some((c) => Math.abs(c[0] - d[i]) + Math.abs(c[1] - d[i + 1]) + Math.abs(c[2] - d[i + 2]) < 6)) pure++;
	}
	return { boxes: t.trimmed.length, colored, pure };
});

const steps = {
	async 'what is fine is gone of the past: it is pale and striped, and says so'(page) {
		await page.goto(url);
		await ready(page);
		await page.getByRole('button', { name: 'Follow', exact: true }).click();
		const { since, end } = await page.evaluate(async () => {
			const s = await (await fetch('/api/live/status')).json();
			return { since: s.pyramid.since_ns.map((t) => t - s.first_ns), end: s.now_ns - s.first_ns };
		});
		assert(since[0] > 1e9, `the finest level reaches back to ${since[0]} ns`);
		await look(page, since[0] / 4, 5e7);
		await until('stripes', () => stripes(page), (s) => s.boxes > 5 && s.colored > 1000 && s.pure < s.colored / 10);
		await shot(page, 'trimmed');
		await page.mouse.move(700, 300);
		await page.locator('.tooltip .warn', { hasText: 'is no longer kept of this time' }).waitFor();
		// Of the time that is kept there is nothing of the kind.
		await look(page, end - 6e7, 5e7);
		await until('none where all is kept', () => stripes(page), (s) => !s.boxes && s.pure > s.colored / 3);
	},
};

process.exit(await run({}, steps) ? 1 : 0);
