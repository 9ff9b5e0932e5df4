// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is rare and breaks pages, on the made-up server: names of any kind and length, thousands of functions, two tabs, back and
// forth, the system's own colours, paper, a time zone in which the clock is put back: node hard.mjs URL [FOLDER for screenshots]
import { assert, until } from './browser.mjs';
import { ask, ready, run, selected, shot, view } from './page.mjs';

const [url] = process.argv.slice(2);
const tab = (page, name) => page.getByRole('tab', { name, exact: true });
const wider = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

// Names that somebody may give: with markup, turned round, with what parts words of a filter, longer than any screen.
const NAMES = ['main.<img src=x onerror="window.hacked=1">', 'main.</script><script>window.hacked=1</script>', 'main.\u202Egnissim\u05d0\u05d1', 'main.F[int, string]', `main.${'x'.repeat(4091)}`, 'main.a\tb"c&amp;\'d\\', `main.${'\u0301'.repeat(300)}`];

// As the page shows it.
const plain = (name) => name.replace(/[\u0000-\u001f\u202e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

// All that has a name has one of those.
async function rename(page) {
	await page.addInitScript((names) => {
		const real = window.fetch, seen = new Map();
		const named = (text) => {
			if (!/^(main|net\/http)\./.test(text)) return text;
			if (!seen.has(text)) seen.set(text, names[seen.size % names.length]);
			return seen.get(text);
		};
		const deep = (v) => (typeof v === 'string' ? named(v) : Array.isArray(v) ? v.map(deep) : v && typeof v === 'object' ? Object.fromEntries(Object.entries(v).map(([key, value]) => [key, deep(value)])) : v);
		window.fetch = async (path, ...rest) => {
			const answer = await real(path, ...rest);
			if (!answer.ok || !/json/.test(answer.headers.get('content-type') ?? '')) return answer;
			return Response.json(deep(await answer.json()));
		};
	}, NAMES);
}

const names = {
	async 'whatever a function is called, it is text, has its room, and a click on it finds it'(page) {
		await rename(page);
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
		for (const width of [390, 1280]) {
			await page.setViewportSize({ width, height: 844 });
			await tab(page, 'Timeline').click();
			await ready(page);
			await until('rows', () => page.evaluate(() => window.timeline.entries.filter((e) => e.row && !e.row.exited).map((e) => e.row.func)), (list) => NAMES.filter((name) => list.includes(name)).length > 3);
			await page.locator('canvas.rows').focus();
			await page.keyboard.press('ArrowDown');
			await page.locator('.panel .func').waitFor();
			assert(await wider(page) <= 0, `${width}: a goroutine's panel makes the page ${await wider(page)} px too wide`);
			await shot(page, `names-panel-${width}`);
			await page.locator('.panel-head').getByLabel('Close').click();
			for (const [name, what, more] of [['Memory', '.memory .bar', 'By function'], ['Leaks', '.leaks td'], ['Flame', '.flame-box'], ['Overview', '.plot canvas']]) {
				await tab(page, name).click();
				await page.locator(what).first().waitFor();
				if (more) await page.getByRole('tab', { name: more }).click();
				assert(await wider(page) <= 0, `${width}: ${name} is ${await wider(page)} px too wide`);
				const tall = await page.locator('.view tbody tr').evaluateAll((rows) => Math.max(0, ...rows.map((r) => r.getBoundingClientRect().height)));
				assert(tall < 400, `${width}: ${name} has a row of ${tall} px`);
				await shot(page, `names-${name.toLowerCase()}-${width}`);
			}
		}
		assert(await page.evaluate(() => window.hacked === undefined && !document.querySelector('main img, main script')), 'a name is markup');
		await page.setViewportSize({ width: 1280, height: 800 });
		await tab(page, 'Leaks').click();
		const names = await until('names', () => page.locator('.leaks tbody tr').evaluateAll((rows) => rows.filter((r) => r.cells[1].textContent !== '0').map((r) => r.cells[0].querySelector('button').textContent)), (list) => new Set(list).size > 3);
		for (const shown of new Set(names)) {
			const name = shown.slice(0, 30), is = (func) => plain(func).startsWith(name);
			await tab(page, 'Leaks').click();
			await page.locator('.leaks tbody td:first-child button.link').filter({ hasText: name.slice(0, 30) }).first().click();
			if (name.startsWith('runtime.')) { // no dead end: it says where they are
				await page.locator('.empty', { hasText: "The runtime's own are not: Runtime, in the bar, shows them" }).waitFor();
				continue;
			}
			await until(`rows of ${name}`, () => page.evaluate(() => [...new Set(window.timeline.entries.map((e) => e.row?.func ?? e.lane?.func ?? ''))]), (list) => list.length > 0 && list.some(is));
			assert(!await page.locator('.filter-error').count(), `${name}: ${await page.locator('.filter-error').allTextContents()}`);
		}
	},
};

const habits = {
	async 'ten thousand functions: each view is there, and says what it leaves out'(page) {
		const many = (n) => Array.from({ length: n }, (_, i) => ({ site: `main.f${i} (main.go:${i})`, function: `main.f${i}`, live: 1, waiting: 1, exited_retained: 0, created_last_minute: 0, exited_last_minute: 0, oldest_age_ns: 1e9, oldest_age_at_least: false,
			last_minute_at_least: false, growing: false, wait_reason: 'select', wait_reason_count: 1, alloc_bytes: i, sample: [i + 1] }));
		await page.route(/\/sites\?/, (route) => route.fulfill({ json: many(10000) }));
		await page.route(/\/types\?/, (route) => route.fulfill({ json: Array.from({ length: 10000 }, (_, i) => ({ kind: 'newobject', type: `main.T${i}`, go_kind: 'struct', size: 8, count: 1, bytes: 10000 - i })) }));
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
		for (const [name, by] of [['Leaks'], ['Memory', 'By type']]) {
			const begun = Date.now();
			await tab(page, name).click();
			if (by) await page.getByRole('tab', { name: by }).click();
			await page.locator('.rest', { hasText: 'The first 500 of 10,000 in this order' }).waitFor();
			console.log(`${name} of 10,000: ${Date.now() - begun} ms`);
		}
		await page.unrouteAll({ behavior: 'ignoreErrors' });
	},
	async 'the filter of the timeline is said where it holds'(page) {
		await page.goto('about:blank');
		await page.goto(`${url}#view=memory&filter=func%3Amain.worker`);
		await page.locator('.tile').first().waitFor();
		const chip = page.locator('.memory .chip', { hasText: 'func:main.worker' }), tiles = () => page.locator('.tile').count();
		const before = await tiles();
		await chip.click();
		await until('all of them', tiles, (n) => n > before);
		assert(!await chip.count(), 'it is said still');
		await page.getByRole('tab', { name: 'By type' }).click();
	},
	async 'back and forth go through the views'(page) {
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
		await ask(page, 7);
		await until('7', () => selected(page), (t) => t === 'Goroutine 7');
		await page.keyboard.press('Escape');
		const is = (name) => until(`${name} is shown`, () => tab(page, name).getAttribute('aria-selected'), (on) => on === 'true');
		await page.evaluate(() => { window.kept = true; });
		for (const name of ['Leaks', 'Memory', 'Flame']) await tab(page, name).click();
		for (const name of ['Memory', 'Leaks', 'Timeline']) {
			await page.goBack();
			await is(name);
		}
		await ready(page);
		await page.goForward();
		await is('Leaks');
		await until('the address', () => page.evaluate(() => location.hash), (hash) => hash.includes('view=leaks'));
		// A link that is put into the page is still gone to.
		assert(await page.evaluate(() => window.kept), 'the page was read anew for it');
		await page.evaluate(() => { location.hash = '#view=memory&sort=age'; });
		await until('another page', () => page.evaluate(() => window.kept !== true).catch(() => false), (is) => is);
		await is('Memory');
		// Another source is another page.
		await tab(page, 'Sessions').click();
		await page.getByRole('button', { name: 'Open', exact: true }).first().click();
		await ready(page);
		await page.locator('header .chip', { hasText: 'Recorded' }).waitFor();
		await page.goBack();
		await is('Sessions');
	},
	async 'two tabs of one person look alike'(page) {
		const other = await page.context().newPage();
		await other.goto(url);
		await ready(other);
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
		const chosen = (p) => p.evaluate(() => [document.documentElement.dataset.theme, window.timeline.rowHeight, window.timeline.labels].join());
		await page.getByLabel('Settings').click();
		await page.getByRole('button', { name: 'Dark' }).click();
		await until('the other one is dark', () => chosen(other), (t) => t.startsWith('dark,20,'));
		await other.getByLabel('Settings').click();
		await other.getByRole('button', { name: 'Tall' }).click();
		await until('both are', async () => [await chosen(page), await chosen(other)], ([a, b]) => a === b && a.startsWith('dark,30,'));
		await other.close();
		await page.evaluate(() => localStorage.clear());
		await page.reload();
		await ready(page);
	},
	async "with the system's own colours what means something keeps its colour, and what is chosen has an edge"(page) {
		await page.emulateMedia({ forcedColors: 'active' });
		const marks = await page.locator('.legend > button .mark > i').evaluateAll((list) => list.map((i) => getComputedStyle(i).backgroundColor));
		assert(marks.length >= 4 && new Set(marks).size === marks.length, `the legend's colours: ${marks}`);
		const edge = await page.getByRole('button', { name: 'Follow', exact: true }).evaluate((b) => [b.getAttribute('aria-pressed'), getComputedStyle(b).outlineStyle]);
		assert(String(edge) === 'true,solid', `Follow: ${edge}`);
		await shot(page, 'forced-colors');
		await tab(page, 'Memory').click();
		const tiles = await page.locator('.tile').evaluateAll((list) => list.slice(0, 20).map((t) => getComputedStyle(t).backgroundColor));
		assert(new Set(tiles).size > 1, `tiles are ${[...new Set(tiles)]}`);
		await page.emulateMedia({ forcedColors: 'none' });
		await tab(page, 'Timeline').click();
	},
	async 'on paper it is dark on light, and a table is whole'(page) {
		await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
		await page.locator('[data-view=leaks]').evaluate((b) => b.click());
		await page.locator('.leaks td').first().waitFor();
		const colors = await page.evaluate(() => ['--bg', '--text'].map((v) => getComputedStyle(document.documentElement).getPropertyValue(v).trim()));
		assert(String(colors) === '#ffffff,#000000', `${colors}`);
		await page.setViewportSize({ width: 800, height: 300 });
		const { inner, outer } = await page.evaluate(() => ({ inner: document.querySelector('.page').scrollHeight - document.querySelector('.page').clientHeight, outer: document.documentElement.scrollHeight }));
		assert(inner <= 1 && outer > 300, `${inner} px are cut off, ${outer}`);
		await shot(page, 'paper');
		await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
		await page.setViewportSize({ width: 1280, height: 800 });
		await tab(page, 'Timeline').click();
		await ready(page);
	},
	async 'who asked for less motion is there at once'(page) {
		await page.emulateMedia({ reducedMotion: 'reduce' });
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('a');
		const travels = await page.evaluate(() => { const t = window.timeline; t.view.goTo(1e9, 2e9); return [t.view.travels, t.view.t0 === 1e9]; });
		assert(String(travels) === 'false,true', `${travels}`);
		await page.emulateMedia({ reducedMotion: 'no-preference' });
		await page.keyboard.press('l');
	},
	async 'from a nanosecond a pixel to all there is, the ruler has marks and the page no error'(page) {
		await page.getByRole('button', { name: 'Pause', exact: true }).click();
		await page.keyboard.press('a');
		const said = () => page.evaluate(() => new Promise((done) => {
			const own = CanvasRenderingContext2D.prototype.fillText, texts = [];
			CanvasRenderingContext2D.prototype.fillText = function (text, x, y) { if (y < 20 && x > window.timeline.labels) texts.push(text); return own.apply(this, arguments); };
			requestAnimationFrame(() => requestAnimationFrame(() => { CanvasRenderingContext2D.prototype.fillText = own; done(texts); }));
			window.timeline.redraw();
		}));
		for (const clock of ['utc', 'since']) {
			await page.getByLabel('Clock').selectOption(clock);
			for (const scale of [1, 7, 1e3, 1e6, 1e9 / 3, 1e10]) {
				await page.evaluate((scale) => { const t = window.timeline; t.view.scale = scale; t.view.t0 = t.view.end / 2 - scale * t.view.width / 2; t.redraw(); }, scale);
				await until(`marks at ${scale} ns a pixel`, said, (list) => list.length > 1 && new Set(list).size > 1);
			}
		}
		await page.getByRole('button', { name: 'Resume', exact: true }).click();
	},
};

process.exit(await run({}, names) + await run({}, habits) ? 1 : 0);
