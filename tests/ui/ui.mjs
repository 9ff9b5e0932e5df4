// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The UI as a person uses it, on the made-up server: node ui.mjs URL [FOLDER for screenshots]
import { serious } from './axe.mjs';
import { assert, until } from './browser.mjs';
import { ask, nanoseconds, painted, pointAt, ready, run, selected, shot, view } from './page.mjs';

const [url] = process.argv.slice(2);
// The middle of the first row on the page, which is in sight then.
const topRowY = (page) => page.evaluate(() => {
	window.timeline.view.scroll(0);
	window.timeline.redraw();
	return window.timeline.canvas.getBoundingClientRect().y + window.timeline.rowTop(0) + 10;
});
// Ends following, as who moves the view does; answers where it is then.
const leave = async (page) => {
	await page.locator('canvas.rows').focus();
	await page.keyboard.press('a');
	return view(page);
};
const chooseRange = async (page) => {
	await page.keyboard.down('Shift');
	await page.mouse.move(400, 300);
	await page.mouse.down();
	await page.mouse.move(600, 320, { steps: 4 });
	await page.mouse.up();
	await page.keyboard.up('Shift');
	await page.locator('.range td', { hasText: 'waiting' }).waitFor();
};

const steps = {
	async 'rows appear, in the colours of the settings'(page) {
		await page.goto(url);
		await ready(page);
		await until('running is painted', () => painted(page, 'running'), (n) => n > 0.002);
		await until('waiting is painted', () => painted(page, 'waiting'), (n) => n > 0.002);
		await page.locator('.light.connected').waitFor();
	},
	async 'the strip of the whole time is not one colour, nor one height'(page) {
		// How much of it the colour takes that there is most of, and how high what is on it stands from column to column.
		await until('the strip', () => page.evaluate(() => {
			const canvas = document.querySelector('canvas.minimap'), { width, height } = canvas, copy = document.createElement('canvas'), ctx = copy.getContext('2d', { willReadFrequently: true });
			[copy.width, copy.height] = [width, height];
			ctx.drawImage(canvas, 0, 0);
			const d = ctx.getImageData(0, 0, width, height).data, colors = new Map(), tops = new Set(), at = (x, y) => { const i = 4 * (y * width + x); return (d[i] << 16) + (d[i + 1] << 8) + d[i + 2]; };
			for (let x = 0; x < width; x++) {
				let top = height;
				for (let y = 0; y < height; y++) {
					const c = at(x, y);
					colors.set(c, (colors.get(c) ?? 0) + 1);
					if (c !== at(x, 3) && top === height) top = y;
				}
				tops.add(top);
			}
			return { most: Math.max(...colors.values()) / (width * height), colors: colors.size, tops: tops.size };
		}), (s) => s.most < 0.9 && s.colors > 3 && s.tops > 2);
	},
	async 'it follows, until somebody moves'(page) {
		const before = await view(page);
		await until('the view moves on', () => view(page), (v) => v.t1 > before.t1 + 3e8);
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('a');
		// The frame that is painted after the key is the one that stays.
		await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
		const left = await view(page);
		await page.waitForTimeout(300);
		assert((await view(page)).t1 === left.t1, 'it still moves after a key');
		await page.locator('.follow-badge').click();
		await until('it follows again', () => view(page), (v) => v.t1 > left.t1 + 3e8);
	},
	async 'zoom keeps the time under the pointer'(page) {
		await page.keyboard.press('a');
		await page.mouse.move(800, 400);
		const at = (v) => v.t0 + (800 - 220) * v.scale;
		const before = await view(page);
		await page.keyboard.down('Control');
		await page.mouse.wheel(0, -240);
		await page.keyboard.up('Control');
		const after = await until('the zoom', () => view(page), (v) => v.scale < before.scale * 0.8);
		assert(Math.abs(at(after) - at(before)) < before.scale * 2, 'the anchor moved');
		await page.keyboard.press('s');
		await page.keyboard.press('s');
		assert((await view(page)).scale > after.scale, 'S does not zoom out');
		const place = await view(page);
		await page.mouse.down();
		await page.mouse.move(700, 380, { steps: 4 });
		await page.mouse.up();
		const moved = await view(page);
		assert(Math.abs(moved.t0 - place.t0 - 100 * place.scale) < place.scale * 3, 'a drag does not move the time with it');
	},
	async 'a box zooms in, and Ctrl+Z goes back'(page) {
		const before = await view(page);
		await page.keyboard.down('Control');
		await page.mouse.move(500, 300);
		await page.mouse.down();
		await page.mouse.move(700, 400, { steps: 4 });
		await page.mouse.up();
		await page.keyboard.up('Control');
		await until('zoomed into the box', () => view(page), (v) => Math.abs(v.scale * 1060 - 200 * before.scale) < before.scale * 4);
		await page.keyboard.press('Control+z');
		await until('back', () => view(page), (v) => Math.abs(v.scale / before.scale - 1) < 0.02);
		await page.keyboard.press('Control+Shift+Z');
		await until('and forth', () => view(page), (v) => v.scale < before.scale / 2);
		await page.keyboard.press('Control+z');
		await until('back again', () => view(page), (v) => Math.abs(v.scale / before.scale - 1) < 0.02);
	},
	async 'search finds, the panel shows the stack'(page) {
		await page.keyboard.press('/');
		await page.keyboard.type('leakySubscriber');
		await until('matching rows only', () => view(page), (v) => v.entries > 0 && v.entries < 40);
		await page.keyboard.press('Enter');
		await page.locator('.panel .stack', { hasText: /goroutine \d+ \[/ }).waitFor();
		assert((await page.locator('.panel .stack').textContent()).includes('main.leakySubscriber'), 'not its stack');
		await page.locator('.panel', { hasText: 'Time in each state' }).waitFor();
		assert((await page.locator('.path code').first().textContent()).startsWith('cat /mnt/xgotop/goroutines/'), 'no path in the mount');
		await shot(page, 'panel');
	},
	async 'a kind of waiting is chosen in the legend'(page) {
		await page.keyboard.press('/');
		await page.keyboard.press('Escape');
		await page.locator('.kinds').getByRole('button', { name: 'sync' }).click();
		const reasons = () => page.evaluate(() => window.timeline.entries.flatMap((e) => (e.row && !e.row.exited ? [e.row.reason] : [])));
		await until('those only', reasons, (all) => all.length > 0 && all.every((r) => r.startsWith('sync.')));
		assert(await page.getByLabel('Filter goroutines').inputValue() === 'wait:sync', 'it is not in the filter');
		await page.locator('.kinds').getByRole('button', { name: 'sync' }).click();
		await until('all again', () => view(page), (v) => v.entries > 40);
	},
	async 'a filter that makes no sense says so'(page) {
		await page.keyboard.press('/');
		await page.keyboard.type('age>x');
		await page.locator('.filter-error', { hasText: 'not a number' }).waitFor();
		await page.keyboard.press('Escape');
		await until('all rows again', () => view(page), (v) => v.entries > 40);
		await page.locator('canvas.rows').focus();
	},
	async 'keys choose, pin, hide, go to and close'(page) {
		const before = await selected(page);
		await page.keyboard.press('ArrowDown');
		await until('another goroutine', () => selected(page), (t) => t && t !== before);
		await page.keyboard.press('p');
		await until('its row is pinned', () => view(page), (v) => v.pinned);
		await page.keyboard.press('p');
		await ask(page, '7');
		await until('goroutine 7', () => selected(page), (t) => t === 'Goroutine 7');
		await until('arrows of who woke it', () => view(page), (v) => v.edges > 0);
		await page.keyboard.press('?');
		await page.getByRole('dialog', { name: 'Keys and filters' }).waitFor();
		await page.keyboard.press('Escape');
		await page.locator('dialog').waitFor({ state: 'detached' });
		await page.keyboard.press('a'); // it follows no more
		await page.waitForFunction(() => !window.timeline.view.travels);
		const place = await view(page);
		await page.keyboard.press('.');
		await until('the next span', () => view(page), (v) => v.t0 !== place.t0);
		await page.keyboard.press('Escape');
		await page.locator('.panel').waitFor({ state: 'detached' });
	},
	async 'W and D zoom and move, comma goes back a span'(page) {
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('a');
		const before = await view(page);
		await page.keyboard.press('d');
		assert((await view(page)).t0 > before.t0, 'D does not move on');
		const moved = await view(page);
		await page.keyboard.press('w');
		assert((await view(page)).scale < moved.scale, 'W does not zoom in');
		await ask(page, '7');
		const middle = async () => { const v = await view(page); return (v.t0 + v.t1) / 2; };
		const rests = () => page.waitForFunction(() => !window.timeline.view.target);
		await until('7 is chosen', () => selected(page), (t) => t === 'Goroutine 7');
		const spanAt = async (key, test) => {
			// What moves after this moves by the key.
			await rests();
			const from = await middle();
			await page.keyboard.press(key);
			return until(`a span on ${key}`, middle, (t) => test(t, from));
		};
		await spanAt(',', (t, from) => t < from);
		await rests();
		const first = await middle();
		await spanAt(',', (t, from) => t < from);
		await rests();
		const second = await middle();
		await page.keyboard.press('.');
		// What is less than a pixel away is passed over.
		const { scale } = await view(page);
		await until(`back at the span at ${first}, from ${second}`, middle, (t) => Math.abs(t - first) < 2 * scale);
		await page.keyboard.press('Escape');
	},
	async 'a span is not gone to once somebody has moved on, and each step begins where the last one ended'(page) {
		const middle = () => page.evaluate(() => { const { view } = window.timeline; return view.aim.t0 + view.aim.scale * view.width / 2; });
		const asked = [];
		let answer;
		const held = new Promise((resolve) => { answer = resolve; });
		await ask(page, '7');
		await until('7 is chosen', () => selected(page), (t) => t === 'Goroutine 7');
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('a');
		await page.waitForFunction(() => !window.timeline.view.travels);
		const { scale } = await view(page), spans = /\/goroutines\/7\/spans\?.*limit=20000/;
		await page.route(spans, async (route) => {
			asked.push({ to: Number(new URL(route.request().url()).searchParams.get('to')), request: route.request() });
			if (asked.length === 1) await held;
			await route.continue();
		});
		await page.keyboard.press(',');
		await until('what is before is asked for', () => asked.length, (n) => n === 1);
		await page.keyboard.press('a');
		const moved = await middle();
		for (let i = 0; i < 3; i++) await page.keyboard.press(',');
		assert(asked.length === 1, 'steps overtake each other');
		answer();
		await until('three steps more', () => asked.length, (n) => n === 4);
		assert(asked[1].to < asked[0].to, 'the first went on from where nobody was any more');
		await until('all of them', middle, (t) => t < moved);
		for (const [i, one] of asked.slice(2).entries()) {
			const { to, request } = asked[i + 1], { spans } = await (await request.response()).json();
			const last = spans.map((s) => s[0]).filter((t) => t < to - Math.max(1, scale)).pop();
			assert(Math.abs(one.to - last) < 2000, `step ${i + 2} begins at ${one.to}, the last one ended at ${last}`);
		}
		await page.unroute(spans);
		await page.keyboard.press('Escape');
	},
	async 'an arrow from who made it'(page) {
		const child = await page.evaluate(() => {
			const rows = window.timeline.entries.map((e) => e.row).filter((r) => r?.parent && r.created > 0 && !r.exited).sort((a, b) => a.events - b.events); // nothing of it is left out
			return rows.length ? { goid: rows[0].goid, parent: rows[0].parent, created: rows[0].created } : null;
		});
		assert(child, 'nobody made anybody');
		await ask(page, child.goid);
		await until('it is chosen', () => selected(page), (t) => t === `Goroutine ${child.goid}`);
		await page.keyboard.press('f');
		const made = await until('the arrow', () => page.evaluate(() => window.timeline.edges.find((e) => e.kind === 'create')), (e) => e);
		assert(made.from === child.parent && made.to === child.goid && Math.abs(made.time - child.created) < 1e6, JSON.stringify([made, child]));
		await page.keyboard.press('Escape');
	},
	async 'rows are sorted'(page) {
		// Those that have exited stand last.
		const rows = (key) => page.evaluate((key) => window.timeline.entries.filter((e) => e.row && !e.row.exited).map((e) => e.row[key]), key);
		const sorted = (list, sign) => list.every((v, i) => !i || sign * (list[i - 1] < v ? -1 : list[i - 1] > v ? 1 : 0) <= 0);
		// What changes while it is looked at is compared at one time.
		for (const [by, key, sign] of [['func', 'func', 1], ['events', 'events', -1], ['alloc', 'bytes', -1], ['last', 'last', -1], ['id', 'goid', 1]]) {
			await page.getByLabel('Sort', { exact: true }).selectOption(by);
			await until(`by ${by}`, () => rows(key), (list) => list.length > 10 && sorted(list, sign));
		}
		await page.getByLabel('Sort direction').click();
		await until('the greatest first', () => rows('goid'), (list) => sorted(list, -1));
		await page.getByLabel('Sort direction').click();
	},
	async 'groups open and close'(page) {
		await page.getByLabel('Group').selectOption('func');
		const closed = (await until('groups', () => page.evaluate(() => window.timeline.entries), (list) => list.length && list.every((e) => e.group?.collapsed))).length;
		await shot(page, 'groups');
		await page.mouse.click(60, await topRowY(page));
		await until('the group is open', () => view(page), (v) => v.entries > closed + 5);
		await page.mouse.click(60, await topRowY(page));
		// How many there are goes by the time that is seen.
		await until('and closed', () => page.evaluate(() => window.timeline.entries), (list) => list.length && list.every((e) => e.group?.collapsed));
		// Who is gone to has a row.
		await ask(page, '11');
		await until('its group opens', () => page.evaluate(() => window.timeline.indexOf(11)), (i) => i > 0);
		await page.locator('.panel-head').getByLabel('Close').click();
		await page.getByLabel('Group').selectOption('none');
	},
	async 'short lives that have ended share rows, and none overlap'(page) {
		const lanes = () => page.evaluate(() => window.timeline.entries.filter((e) => e.lane).map(({ lane }) => ({ func: lane.func,
			lives: lane.rows.map((r) => [r.goid, r.created, r.exited, r.func]) })));
		const gone = (list) => list.reduce((sum, l) => sum + l.lives.length, 0);
		const list = await until('many lives in few rows', lanes, (all) => all.some((l) => l.lives.length > 5) && all.length * 3 < gone(all));
		for (const { func, lives } of list)
			lives.forEach(([goid, from, , name], i) => assert(name === func && (!i || from >= lives[i - 1][2]), `${goid} of ${name} overlaps in a row of ${func}`));
		// Nothing of those that live stands below one that has exited. One that ended just now is put there with the next picture.
		const order = () => page.evaluate(() => window.timeline.entries.map((e) => !!e.lane || !!e.row?.exited));
		await until('exited ones are the last', order, (gone) => gone.indexOf(true) >= gone.lastIndexOf(false));
		// One of them is found where it is painted, chosen by a click, and has an outline.
		const place = await leave(page);
		await page.getByRole('button', { name: 'Pause', exact: true }).click();
		const life = await until('a row of several', () => page.evaluate(() => {
			const t = window.timeline;
			t.view.scroll(0);
			const lane = t.entries.find((e) => e.lane?.rows.length > 3)?.lane, row = lane?.rows.find((r) => r.exited - r.created > 1e6) ?? lane?.rows[1];
			if (!row) return null;
			t.reveal(row.goid);
			t.view.goTo(row.created - 4 * (row.exited - row.created), row.exited + 4 * (row.exited - row.created));
			t.redraw();
			return row.goid;
		}), (goid) => goid);
		// The rows are those of the time that is looked at: others, a moment after the view has moved there; then nobody is wished into sight.
		const at = await pointAt(page, 'it is told of', () => page.evaluate((goid) => {
			const t = window.timeline, i = t.indexOf(goid), r = t.entries[i]?.lane?.rows.find((r) => r.goid === goid), box = t.canvas.getBoundingClientRect(), y = t.rowTop(i) + 10;
			return t.view.travels || t.wished || !r || y < 26 || y > box.height ? null : { x: box.x + t.labels + t.view.x((r.created + r.exited) / 2), y: box.y + y };
		}, life), page.locator('.tooltip', { hasText: `Goroutine ${life} ` }));
		await page.mouse.click(at.x, at.y);
		await until('it is chosen', () => selected(page), (t) => t === `Goroutine ${life}`);
		await shot(page, 'lane');
		await page.keyboard.press('Escape');
		await page.getByRole('button', { name: 'Resume', exact: true }).click();
		await page.evaluate((place) => {
			Object.assign(window.timeline.view, { t0: place.t0, scale: place.scale, scrollY: 0 });
			window.timeline.redraw();
		}, place);
	},
	async 'a pointer that rests is told what comes under it'(page) {
		await page.getByRole('button', { name: 'Pause', exact: true }).click();
		const told = () => page.locator('.tooltip b').first().textContent({ timeout: 300 }).catch(() => '');
		const under = () => page.evaluate(() => { const { row, lane } = window.timeline.hit(60, 226).entry; return row ? `Goroutine ${row.goid}` : `${lane.rows.length} goroutines`; });
		const scroll = (y) => page.evaluate((y) => { window.timeline.view.scroll(y); window.timeline.redraw(); }, y);
		// Rows that were under way as it was held may still come: what is told is what is there by then.
		const tells = async (what, other) => (await until(what, async () => ({ told: await told(), under: await under() }), (s) => s.told === s.under && s.told !== other)).told;
		await scroll(0);
		const canvas = await page.locator('canvas.rows').boundingBox();
		await page.mouse.move(canvas.x + 60, canvas.y + 226);
		const first = await tells('the row');
		await scroll(60);
		const second = await tells('another row', first);
		await scroll(0);
		await tells('the first one', second);
		await page.getByRole('button', { name: 'Resume', exact: true }).click();
	},
	async 'a life that is not looked at yet comes into sight'(page) {
		// As a stay does that is chosen in a list: its lane has no row until the rows are those of its time.
		const place = await leave(page);
		await page.getByRole('button', { name: 'Pause', exact: true }).click();
		const life = await until('a life out of sight', () => page.evaluate(() => {
			const t = window.timeline, last = t.entries.flatMap((e) => e.lane?.rows ?? []).sort((a, b) => b.created - a.created)[0];
			if (!last) return null;
			t.view.scroll(0);
			// Before there was anything, where the view rests until the rows are those of then.
			t.view.t0 = -2 * t.view.width * t.view.scale;
			t.redraw();
			return { goid: last.goid, from: last.created, to: last.exited };
		}), (l) => l);
		await until('it has no row', () => page.evaluate((goid) => window.timeline.indexOf(goid), life.goid), (i) => i < 0);
		await page.evaluate(({ goid, from, to }) => {
			const t = window.timeline;
			t.reveal(goid);
			t.view.goTo(from - 5e9, to + 5e9);
			t.redraw();
		}, life);
		await until('its row is in sight', () => page.evaluate((goid) => {
			const t = window.timeline, i = t.indexOf(goid), y = t.rowTop(i);
			return { i, y, height: t.canvas.clientHeight };
		}, life.goid), ({ i, y, height }) => i >= 0 && y >= 20 && y < height);
		await page.getByRole('button', { name: 'Resume', exact: true }).click();
		await page.evaluate((place) => {
			Object.assign(window.timeline.view, { t0: place.t0, scale: place.scale, scrollY: 0 });
			window.timeline.redraw();
		}, place);
	},
	async "the runtime's own goroutines are shown on demand"(page) {
		const system = () => page.evaluate(() => window.timeline.entries.filter((e) => e.row && e.row.flags & 2).length);
		assert(await system() === 0, 'they are shown');
		await page.getByLabel('Runtime', { exact: true }).click();
		await until('they have rows', system, (n) => n > 0);
		await page.getByLabel('Runtime', { exact: true }).click();
		await until('and none', system, (n) => n === 0);
	},
	async 'what rows are sorted by stands in them, and the column can be made wider'(page) {
		const edge = () => page.evaluate(() => window.timeline.canvas.getBoundingClientRect().x + window.timeline.labels);
		const drawn = () => page.evaluate(() => new Promise((done) => {
			const own = CanvasRenderingContext2D.prototype.fillText, said = [];
			CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { said.push(text); return own.call(this, text, ...rest); };
			requestAnimationFrame(() => requestAnimationFrame(() => {
				CanvasRenderingContext2D.prototype.fillText = own;
				done(said);
			}));
			window.timeline.redraw();
			window.timeline.beside.shown = '';
		}));
		await page.getByLabel('Sort', { exact: true }).selectOption('alloc');
		const amounts = await until('bytes in the labels', drawn, (said) => said.filter((t) => /^[\d.]+ (B|kB|MB)$/.test(t)).length > 10);
		assert(amounts.length, 'nothing');
		await shot(page, 'sort-value');
		await page.getByLabel('Sort', { exact: true }).selectOption('id');
		await page.getByLabel('Sort direction').click();
		await page.getByLabel('Sort direction').click();
		const before = await edge();
		await page.mouse.move(before, 400);
		await page.mouse.down();
		await page.mouse.move(before + 130, 400, { steps: 4 });
		await page.mouse.up();
		assert(Math.abs(await edge() - before - 130) <= 2, `from ${before} to ${await edge()}`);
		const kept = () => page.evaluate(() => window.timeline.labels);
		await page.mouse.dblclick(before + 130, 400);
		await until('as it was', kept, (w) => w === 220);
	},
	async 'a range has statistics'(page) {
		await chooseRange(page);
		await page.getByRole('button', { name: 'Copy CSV' }).click();
		await page.getByRole('button', { name: 'Copied' }).waitFor();
		const [href, magic] = await page.getByRole('link', { name: /Export/ }).evaluate(async (a) => [a.getAttribute('href'), new TextDecoder().decode((await (await fetch(a.href)).arrayBuffer()).slice(257, 262))]);
		assert(magic === 'ustar' && /view=t%3D\d+-\d+/.test(href), `${href}: ${magic}`);
		await shot(page, 'range');
	},
	async 'how long its stays were, and which'(page) {
		if (!await page.locator('.range').count()) await chooseRange(page);
		await page.locator('.range').getByRole('button', { name: 'waiting' }).click();
		const bars = page.locator('.bars-table tbody tr');
		const number = (text) => Number(text.replace(/,/g, ''));
		const counts = async () => (await bars.locator('td:nth-child(2)').allTextContents()).map(number);
		await until('bars', counts, (list) => list.length > 0);
		// What is not over may end while it is looked at: table and bars are asked for one after the other.
		await until('as many in the bars as there are', async () => ({ stays: number(await page.locator('.range tr.on td:nth-child(4)').first().textContent()),
			sum: (await counts()).reduce((a, b) => a + b, 0) }), ({ stays, sum }) => sum === stays);
		const first = await counts(), most = first.indexOf(Math.max(...first));
		await bars.nth(most).getByRole('button').click();
		await until('its stays', async () => ({ n: (await counts())[most], shown: await page.locator('.stays tbody tr[title]').count(), said: await page.locator('.stays').textContent() }),
			({ n, shown, said }) => shown === Math.min(50, n) && (shown === n || said.includes(`of ${n.toLocaleString('en')}`)));
		await shot(page, 'range-stays');
		const place = await view(page), goid = await page.locator('.stays tbody tr').first().locator('td').first().textContent();
		await page.locator('.stays tbody tr').first().click();
		await until('its goroutine', () => selected(page), (t) => t === `Goroutine ${goid}`);
		await until('its time', () => view(page), (v) => v.scale !== place.scale);
		await page.keyboard.press('Escape');
		await page.locator('.range').waitFor({ state: 'detached' });
		await page.keyboard.press('Escape');
	},
	async 'files for other tools'(page) {
		await page.locator('.bar .menu summary').click();
		await shot(page, 'downloads');
		const links = await page.locator('.menu-items a').evaluateAll((list) => list.map((a) => [a.getAttribute('href'), a.download]));
		assert(links.length === 6, `${links.length} links`);
		for (const [href, name] of links) {
			const first = await page.evaluate(async (href) => {
				const r = await fetch(href);
				return r.ok ? [...new Uint8Array(await r.arrayBuffer()).slice(0, 2)] : r.status;
			}, href);
			const like = name.endsWith('.gz') ? [0x1f, 0x8b] : name.endsWith('.jsonl') ? [0x7b, 0x22] : null;
			assert(Array.isArray(first) && (!like || like.join() === first.join()), `${href}: ${first}`);
		}
		await page.keyboard.press('Escape');
		await page.locator('.menu-items').waitFor({ state: 'hidden' });
		await page.locator('canvas.rows').focus();
	},
	async 'lost events are hatched'(page) {
		// Ten seconds, in which something is lost twice: what was looked at before may be a few milliseconds.
		await page.evaluate(() => { window.timeline.view.scale = 1e10 / window.timeline.view.width; });
		await page.getByRole('button', { name: 'Follow', exact: true }).click();
		await until('loss', () => view(page), (v) => v.lost);
	},
	async 'also when the picture moves on faster than the server answers'(page) {
		await page.route('**/series/**', async (route) => {
			await new Promise((resolve) => setTimeout(resolve, 700));
			await route.continue().catch(() => {});
		});
		await until('the address follows', () => page.evaluate(() => location.hash), (h) => !/\bt=/.test(h));
		await page.reload();
		await ready(page);
		assert(await page.evaluate(() => document.querySelector('.bar [title^="Follow"]').ariaPressed) === 'true', 'it does not follow');
		await until('loss', () => view(page), (v) => v.lost);
		await until('the minimap', () => painted(page, null, 'canvas.minimap'), (n) => n > 0.002);
		await page.unrouteAll({ behavior: 'ignoreErrors' });
	},
	async 'what is on screen is in the address'(page) {
		await page.keyboard.press('/');
		await page.keyboard.type('func:main.*');
		await page.keyboard.press('Enter');
		await until('the address', () => page.evaluate(() => location.hash), (h) => h.includes('filter=func') && h.includes('g='));
		const goid = await selected(page);
		await page.reload();
		await ready(page);
		await until('the same goroutine', () => selected(page), (t) => t === goid);
		assert(await page.getByLabel('Filter goroutines').inputValue() === 'func:main.*', 'the filter is gone');
		await page.getByLabel('Filter goroutines').fill('');
		await page.keyboard.press('Escape');
		await page.keyboard.press('Escape');
	},
	async 'the ruler goes by the clock that is chosen'(page) {
		const origin = await page.evaluate(async () => { const s = await (await fetch('/api/live/status')).json(); return (s.first_ns + s.wall_offset_ns) / 1e6; });
		const ruler = () => page.evaluate(() => new Promise((done) => {
			const own = CanvasRenderingContext2D.prototype.fillText, said = [];
			CanvasRenderingContext2D.prototype.fillText = function (text, x, y) { if (y < 20) said.push([text, window.timeline.view.time(x - 4.5 - window.timeline.labels)]); return own.apply(this, arguments); };
			requestAnimationFrame(() => requestAnimationFrame(() => {
				CanvasRenderingContext2D.prototype.fillText = own;
				done(said.filter(([text]) => /^\d\d:\d\d:\d\d/.test(text)));
			}));
			window.timeline.redraw();
		}));
		await page.getByLabel('Clock').selectOption('utc');
		const marks = await until('times of day', ruler, (list) => list.length > 3), { scale } = await view(page);
		for (const [text, t] of marks) {
			const d = new Date(origin + t / 1e6), ms = ((d.getUTCHours() * 60 + d.getUTCMinutes()) * 60 + d.getUTCSeconds()) * 1e3 + d.getUTCMilliseconds();
			const [h, m, sec] = text.split(':').map(Number);
			assert(Math.abs(((h * 60 + m) * 60 + sec) * 1e3 - ms) <= Math.max(2, 1.5 * scale / 1e6), `${text} stands at ${d.toISOString()}`);
		}
		await shot(page, 'clock');
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('t');
		assert(await page.getByLabel('Clock').inputValue() === 'since', 'T does not choose the next one');
	},
	async 'going to a time'(page) {
		const middle = async () => { const v = await view(page); return (v.t0 + v.t1) / 2; };
		const to = async (text) => {
			await ask(page, text);
		};
		// Near enough that there is something on either side of it: nothing is shown from beside what there is.
		await leave(page);
		await page.locator('canvas.rows').hover({ position: { x: 700, y: 300 } });
		await until('near enough', async () => { await page.keyboard.press('w'); const v = await view(page); return v.t1 - v.t0; }, (ns) => ns < 4e9);
		await to('5.5s');
		await until('5.5 s', middle, (t) => Math.abs(t - 5.5e9) < 1e7);
		const origin = await page.evaluate(async () => { const s = await (await fetch('/api/live/status')).json(); return (s.first_ns + s.wall_offset_ns) / 1e6; });
		await to(new Date(origin + 7250).toISOString());
		await until('a time of day', middle, (t) => Math.abs(t - 7.25e9) < 2e7);
		await page.keyboard.press('g');
		await page.keyboard.type('noon');
		await page.locator('dialog p', { hasText: 'neither a number nor a time' }).waitFor();
		await page.keyboard.press('Escape');
	},
	async 'a mark has a note, and the link has it, the groups and the place'(page) {
		const hash = () => page.evaluate(() => decodeURIComponent(location.hash.replace(/\+/g, ' ')));
		await leave(page);
		await page.locator('canvas.rows').hover({ position: { x: 700, y: 300 } });
		await page.keyboard.press('w');
		await page.keyboard.press('w');
		await page.keyboard.press('m');
		await page.keyboard.type('deploy: 50 % & more');
		await page.keyboard.press('Enter');
		await until('the address', hash, (h) => h.includes('deploy: 50 % & more'));
		await page.getByLabel('Group').selectOption('func');
		await until('groups', () => page.evaluate(() => window.timeline.entries.some((e) => e.group)), (g) => g);
		// One may be open still, from a step before.
		const open = () => page.evaluate(() => window.timeline.entries.some((e) => e.row));
		if (!await open()) await page.mouse.click(60, await topRowY(page));
		await until('one is open', open, (r) => r);
		await page.mouse.move(700, 500);
		await page.mouse.wheel(0, 60);
		await page.evaluate(() => { navigator.clipboard.writeText = async (t) => { window.copied = t; }; });
		await page.getByRole('button', { name: 'Link', exact: true }).click();
		await page.getByRole('button', { name: 'Copied', exact: true }).waitFor();
		const link = await page.evaluate(() => window.copied), before = await view(page), text = await page.evaluate(() => window.timeline.entries.find((e) => e.group && !e.group.collapsed).group.key);
		await page.goto('about:blank');
		await page.goto(link);
		await ready(page);
		await until('the same group is open', () => page.evaluate(() => window.timeline.entries.filter((e) => e.group && !e.group.collapsed).map((e) => e.group.key).join()), (keys) => keys === text);
		await until('the same place', () => view(page), (v) => Math.abs(v.t0 - before.t0) < 2 * v.scale && v.scrollY === before.scrollY);
		assert((await hash()).includes('deploy: 50 % & more'), 'the mark is gone');
		await shot(page, 'mark');
		// A click on the flag is about it.
		const flag = await page.evaluate(() => { const t = window.timeline, b = t.canvas.getBoundingClientRect(), m = /mark=(\d+)/.exec(location.hash)[1]; return [b.x + t.labels + t.view.x(Number(m)) + 3, b.y + 18]; });
		await page.mouse.click(...flag);
		await page.getByRole('button', { name: 'Remove', exact: true }).click();
		await until('no mark', hash, (h) => !h.includes('mark='));
		await page.getByLabel('Group').selectOption('none');
	},
	async 'what is selected in the overview the timeline shows'(page) {
		await page.getByRole('tab', { name: 'Overview' }).click();
		const plot = page.locator('.plot .u-over').first();
		await plot.waitFor();
		const box = await plot.boundingBox();
		await page.mouse.move(box.x + 60, box.y + 50);
		await page.mouse.down();
		await page.mouse.move(box.x + 100, box.y + 50, { steps: 4 });
		await page.mouse.up();
		await page.locator('.range').waitFor();
		const range = await page.evaluate(() => /range=(\d+)-(\d+)/.exec(location.hash)?.slice(1).map(Number)) ?? await until('the address', () => page.evaluate(() => /range=(\d+)-(\d+)/.exec(location.hash)?.slice(1).map(Number)), (r) => r);
		await until('that time', () => view(page), (v) => v.t0 < range[0] && v.t1 > range[1] && v.t1 - v.t0 < 2 * (range[1] - range[0]));
		await page.locator('.range', { hasText: 'local' }).waitFor();
		await page.locator('.range').getByLabel('Close').click();
		await page.getByRole('button', { name: 'Follow', exact: true }).click();
	},
	async 'a span says how long it is, not how much of it is seen'(page) {
		await page.getByRole('button', { name: 'Pause', exact: true }).click();
		// One that is over, and of which only the middle is looked at.
		const stay = await page.evaluate(async () => {
			const get = async (path) => (await fetch(`/api/live/${path}`)).json();
			const { first_ns: first } = await get('status');
			const goids = window.timeline.entries.flatMap((e) => (e.row ? [e.row.goid] : [])).slice(0, 12);
			const { stays } = await get(`stays?goids=${goids.join()}&state=waiting&limit=200`);
			const [goid, begin, end, , reason] = stays.find((s) => s[2] && s[4] && s[7]);
			const ns = end - begin, v = window.timeline.view;
			document.querySelector('[title="Follow the present (L)"][aria-pressed=true]')?.click();
			v.scale = ns / 3 / v.width;
			v.t0 = begin - first + ns / 3;
			window.timeline.reveal(goid);
			return { ns, reason };
		});
		const lengths = (texts) => texts.map((t) => /(?:\d+m )?[\d.]+ ?(?:s|ms|µs)(?: …)?$/.exec(t)).filter(Boolean).map(([text]) => nanoseconds(text));
		await until(`waiting: ${stay.reason}, ${stay.ns} ns`, () => page.evaluate(() => window.timeline.said), (all) =>
			lengths(all.filter((t) => t.includes(`waiting: ${stay.reason} `))).some((ns) => Math.abs(ns / stay.ns - 1) < 0.006));
		await shot(page, 'span-text');
		await page.getByRole('button', { name: 'Resume', exact: true }).click();
	},
	async 'an address with a goroutine has its times, and goes on'(page) {
		await page.goto('about:blank');
		await page.goto(`${url}#g=5`);
		const lines = () => page.locator('.panel dd').allTextContents();
		const since = (await until('its age', lines, (all) => all.some((t) => /since/.test(t)))).find((t) => /since/.test(t));
		const created = await page.evaluate(async () => {
			const get = async (path) => (await fetch(`/api/live/${path}`)).json();
			return ((await get('goroutines/5')).created_ns + (await get('status')).wall_offset_ns) / 1e6;
		});
		assert(Math.abs(new Date(/since (.*)/.exec(since)[1]).getTime() - created) < 2000, `${since}, it was ${new Date(created)}`);
		await until('its age goes on', lines, (all) => !all.includes(since));
	},
	async 'what is held is held in the panel, too'(page) {
		const now = () => page.evaluate(async () => (await fetch('/api/live/status')).json()).then((s) => s.now_ns);
		const panel = () => page.locator('.panel dl').first().textContent();
		// As an answer has come, before the next one is asked for: what is under way is of after, and the panel says so.
		await page.evaluate(() => new Promise((done) => {
			const own = window.fetch;
			window.fetch = async (path, ...rest) => {
				const answer = await own(path, ...rest);
				if (!/goroutines\/5\?/.test(path)) return answer;
				window.fetch = own;
				setTimeout(() => { [...document.querySelectorAll('button')].find((b) => b.textContent.trim() === 'Pause').click(); done(); });
				return answer;
			};
		}));
		// What is not held is another one after three seconds each time.
		await until('it is held', async () => {
			const at = await now(), before = await panel();
			await until('time goes on', now, (t) => t > at + 3e9);
			return { before, after: await panel() };
		}, ({ before, after }) => before === after);
		assert(!await page.locator('.panel .warn', { hasText: 'after the picture was held' }).count(), 'it is of then');
		await ask(page, '7');
		await page.locator('.panel .warn', { hasText: 'after the picture was held' }).waitFor();
		await page.getByRole('button', { name: 'Resume', exact: true }).click();
		await page.locator('.panel .warn', { hasText: 'after the picture was held' }).waitFor({ state: 'detached' });
		await page.locator('.panel-head').getByLabel('Close').click();
	},
	async 'its children: those that are known, and how many were seen being made'(page) {
		// As of one that was found, which had made some before anybody looked.
		await page.evaluate(() => {
			const asked = window.fetch, child = (goid) => ({ goid, state: 'waiting', start_function: 'main.worker' });
			window.fetch = async (path, ...rest) => {
				const response = await asked(path, ...rest);
				if (!/goroutines\/6\?/.test(path)) return response;
				return Response.json({ ...await response.json(), children: 0, children_known: Array.from({ length: 11 }, (_, i) => child(20 + i)) });
			};
		});
		await ask(page, '6');
		await until('both', () => page.locator('.panel h3', { hasText: 'Children' }).textContent(), (t) => t === 'Children 11 known, 0 of them seen being made');
		assert(await page.locator('.children button').count() === 11, 'not all of them');
		await page.locator('.panel-head').getByLabel('Close').click();
		await until('the address', () => page.evaluate(() => location.hash), (h) => !h.includes('g='));
		await page.reload();
		await ready(page);
	},
	async 'memory, overview and leaks'(page) {
		await page.getByRole('tab', { name: 'Memory' }).click();
		await until('tiles', () => page.locator('.tile').count(), (n) => n > 20);
		// Parts are of all that the program asked for, whoever of those that did is not listed.
		const filter = page.getByLabel('Filter goroutines');
		await page.getByRole('tab', { name: 'Timeline' }).click();
		await filter.fill('func:main.leakySubscriber');
		await page.getByRole('tab', { name: 'Memory' }).click();
		await page.locator('.listed', { hasText: /^These [\d,]+ goroutines: .* of .*; the rest by such that .*the filter leaves out/ }).waitFor();
		const parts = (await page.locator('.tile-bytes').allTextContents()).map((t) => Number(/([\d.]+)%/.exec(t)[1]));
		assert(parts.length > 0 && parts.reduce((a, b) => a + b, 0) < 50, `parts of all: ${parts}`);
		await page.getByRole('tab', { name: 'By function' }).click();
		await page.locator('.listed', { hasText: 'the filter leaves out' }).waitFor();
		await page.locator('.memory .chip').click();
		await page.getByRole('tab', { name: 'By goroutine' }).click();
		await until('tiles of all', () => page.locator('.tile').count(), (n) => n > 20);
		await page.getByRole('tab', { name: 'By type' }).click();
		// Each row leads on: a type to who made it, a function to its goroutines.
		await page.locator('tr', { hasText: 'main.Request' }).first().click();
		const maker = page.locator('.made-by button').first();
		await maker.waitFor();
		const goid = await maker.textContent();
		await maker.click();
		await until('who made them', () => selected(page), (t) => t === `Goroutine ${goid}`);
		await page.locator('.panel-head').getByLabel('Close').click();
		await page.getByRole('tab', { name: 'By function' }).click();
		await page.locator('tr', { hasText: 'main.worker' }).click();
		await ready(page);
		assert(await page.getByLabel('Filter goroutines').inputValue() === 'func:main.worker', 'not those of the function');
		await page.getByLabel('Filter goroutines').fill('');
		await page.getByRole('tab', { name: 'Overview' }).click();
		await until('plots', () => page.locator('.plot canvas').count(), (n) => n >= 6);
		await page.locator('.heat', { hasText: 'Utilisation' }).waitFor();
		await shot(page, 'overview');
		await page.getByRole('tab', { name: 'Leaks' }).click();
		await page.locator('td', { hasText: 'main.leakySubscriber' }).waitFor();
		await shot(page, 'leaks');
	},
	async 'a row of a call site says how it is known, and leads on'(page) {
		await page.route('**/alloc_sites?*', (route) => route.fulfill({ json: [{ site: 'main.fill (/src/main.go:7)', own_site: null, through: 'runtime.makeslice', bytes: 4096, percent: 80, error_bytes: 100, objects: 4, samples: 3 },
			{ site: null, own_site: null, through: null, bytes: 1024, percent: 20, error_bytes: null, objects: null, samples: 0 }] }));
		await page.getByRole('tab', { name: 'Memory' }).click();
		await page.getByRole('tab', { name: 'By call site' }).click();
		await page.locator('.call-sites tr', { hasText: 'main.fill' }).click();
		await page.locator('.call-sites td', { hasText: '3 samples, through runtime.makeslice' }).getByRole('button', { name: 'Which goroutines' }).click();
		await ready(page);
		const order = () => page.evaluate(() => window.timeline.entries.flatMap((e) => (e.row && !e.row.exited ? [e.row.bytes] : [])));
		await until('who allocates most first', order, (list) => list.length > 10 && list.every((b, i) => !i || b <= list[i - 1]));
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		await page.getByLabel('Sort', { exact: true }).selectOption('id');
	},
	async 'a recorded session opens, plays and seeks'(page) {
		await page.getByRole('tab', { name: 'Sessions' }).click();
		await page.getByRole('button', { name: 'Open' }).first().click();
		await ready(page);
		const id = await until('its address', () => page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get('source')), (id) => id);
		const { events, lost_events: lost } = await until('it is read', () => page.evaluate(async (id) => (await fetch(`/api/sessions/${id}/status`)).json(), id), (s) => s.state === 'ready');
		const total = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);
		await until('its own figures', () => page.locator('.metrics').textContent(), (text) => {
			const [, n, k, losses] = /EVENTS ([\d.]+)(k?)RATE.*LOST (\d+)$/.exec(text) ?? [];
			return Math.abs(n * (k ? 1000 : 1) - total(events)) <= 50 && Number(losses) === lost;
		});
		const end = (await view(page)).t1;
		await page.getByLabel('Position').fill('200');
		const head = () => page.locator('.replay .mono').textContent();
		const sought = await until('the position', head, (t) => /of/.test(t) && t.split(' of ')[0] !== t.split(' of ')[1]);
		await page.locator('.as-of').waitFor();
		// The mark beside a row is the state of that time, as the exact spans have it.
		const marks = () => page.evaluate(async () => {
			const source = new URLSearchParams(location.hash.slice(1)).get('source');
			const get = async (rest) => (await fetch(`/api/${source ? `sessions/${source}` : 'live'}/${rest}`)).json();
			const { first_ns: first, now_ns: now } = await get('status');
			const time = Math.round(first + 0.2 * (now - first)), t = window.timeline, colors = t.colors.state, wrong = [];
			const kinds = ['other', 'sync', 'channel', 'network', 'sleep', 'idle', 'gc'], kind = (reason) => (/^sync/.test(reason) ? 'sync' : /^(chan|select)/.test(reason) ? 'channel' :
				/^IO/.test(reason) ? 'network' : reason === 'sleep' ? 'sleep' : /idle/.test(reason) ? 'idle' : /GC/.test(reason) ? 'gc' : 'other');
			let right = 0;
			const copy = document.createElement('canvas'), pixels = copy.getContext('2d', { willReadFrequently: true });
			copy.width = 2;
			copy.height = t.canvas.height;
			pixels.drawImage(t.canvas, 0, 0);
			for (let i = 0; i < Math.min(30, t.entries.length); i++) {
				if (!t.entries[i].row) continue;
				const { spans } = await get(`goroutines/${t.entries[i].row.goid}/spans?from=${time}&to=${time}&limit=1`);
				const y = Math.round((t.rowTop(i) + t.rowHeight / 2) * t.dpr);
				if (y >= copy.height) break; // out of sight
				const [r, g, b] = pixels.getImageData(1, y, 1, 1).data;
				const is = `#${[r, g, b].map((v) => v.toString(16).padStart(2, '0')).join('')}`;
				if (!spans[0]) continue; // it has exited, or nothing is known of it then
				const want = spans[0][2] === 4 ? t.colors.wait[kinds.indexOf(kind(spans[0][3]))] : colors[spans[0][2]];
				if (is === want) right++;
				else wrong.push([t.entries[i].row.goid, is, want, spans[0][3]]);
			}
			return { right, wrong };
		});
		await until('the states of that time', marks, (m) => m.right >= 3 && !m.wrong.length);
		// Also from the address.
		const at = await until('its place in the address', () => page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get('head')), (h) => h);
		await page.reload();
		await ready(page);
		await until('the same place', () => page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get('head')), (h) => h === at);
		await page.locator('.as-of').waitFor();
		await page.getByLabel('Speed').selectOption('0.01');
		// It is soon over: held as soon as it plays.
		const hold = () => page.evaluate((sought) => new Promise((done) => {
			const button = (name) => [...document.querySelectorAll('.replay button')].find((b) => b.textContent.includes(name));
			button('Replay')?.click();
			const look = () => (document.querySelector('.replay .mono').textContent !== sought && button('Hold') ? (button('Hold').click(), done(true)) : requestAnimationFrame(look));
			look();
		}), sought);
		assert(await hold(), 'it does not play');
		await page.getByRole('button', { name: 'Replay' }).waitFor();
		assert((await view(page)).t1 <= end * 1.1 + 1e9, 'it is past the end');
		await shot(page, 'replay');
		await page.getByRole('button', { name: /Recorded/ }).click();
		await page.getByRole('button', { name: 'Pause', exact: true }).waitFor();
	},
	async 'opening the panel moves nothing, and no toolbar wraps'(page) {
		await page.getByRole('button', { name: 'Follow', exact: true }).click();
		const size = page.viewportSize();
		for (const width of [1280, 1440]) {
			await page.setViewportSize({ width, height: 800 });
			const where = () => page.evaluate(() => [document.querySelector('.tools').getBoundingClientRect().height, window.timeline.canvas.getBoundingClientRect().y, window.timeline.rowTop(0)]);
			const closed = await where();
			assert(closed[0] < 48, `${width}: the toolbar is ${closed[0]} px high`);
			await ask(page, '9');
			await page.locator('.panel .stack').waitFor();
			assert(String(await where()) === String(closed), `${width}: ${closed} became ${await where()}`);
			await page.locator('.panel-head').getByLabel('Close').click();
		}
		await page.setViewportSize(size);
	},
	async 'at every width the menu is on the screen and all tools are reached'(page) {
		const size = page.viewportSize();
		for (const width of [390, 640, 900, 1280]) { // 640: 1280 at 200 %
			await page.setViewportSize({ width, height: 800 });
			await page.locator('.bar .menu summary').click();
			const box = await page.locator('.menu-items').boundingBox();
			assert(box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= 800, `${width}: ${JSON.stringify(box)}`);
			await page.keyboard.press('Escape');
			for (const name of ['Follow', 'Fit', 'Link']) await page.getByRole('button', { name, exact: true }).click({ trial: true });
			assert(await page.evaluate((w) => document.documentElement.scrollWidth <= w, width), `${width}: wider than the screen`);
			const last = await page.getByRole('tab', { name: 'Compare', exact: true }).boundingBox();
			assert(last.x + last.width <= width, `${width}: not all views are in sight: ${JSON.stringify(last)}`);
		}
		await page.setViewportSize(size);
	},
	async 'axe finds nothing serious, in both themes'(page) {
		for (const theme of ['light', 'dark']) {
			await page.emulateMedia({ colorScheme: theme });
			await page.waitForFunction((t) => document.documentElement.dataset.theme === t, theme);
			for (const [tab, what] of [['Timeline', 'canvas.rows'], ['Memory', '.tile'], ['Overview', '.plot canvas'], ['Flame', '.flame-box'], ['Leaks', '.leaks td'], ['Sessions', '.sessions td'], ['Compare', '.compare td']]) {
				await page.getByRole('tab', { name: tab, exact: true }).click();
				await page.locator(what).first().waitFor();
				const found = await serious(page);
				assert(!found.length, `${theme} ${tab}: ${found.join('; ')}`);
			}
			for (const by of ['type', 'function', 'call site']) {
				await page.getByRole('tab', { name: 'Memory', exact: true }).click();
				await page.getByRole('tab', { name: `By ${by}` }).click();
				await page.locator('.memory table, .memory .empty').first().waitFor();
				const found = await serious(page);
				assert(!found.length, `${theme} memory by ${by}: ${found.join('; ')}`);
			}
			await page.getByRole('tab', { name: 'By goroutine' }).click();
			await page.getByRole('tab', { name: 'Timeline', exact: true }).click();
			for (const [what, there] of [['g', 'dialog'], ['?', 'dialog'], ['ArrowDown', '.panel .stack']]) {
				await page.locator('canvas.rows').focus();
				await page.keyboard.press(what);
				await page.locator(there).first().waitFor();
				const found = await serious(page);
				assert(!found.length, `${theme} ${what}: ${found.join('; ')}`);
				await page.keyboard.press('Escape');
				await page.locator(there).first().waitFor({ state: 'detached' });
			}
		}
		await page.emulateMedia({ colorScheme: 'light' });
		await page.getByRole('tab', { name: 'Timeline', exact: true }).click();
		await page.getByLabel('Settings').click();
		const found = await serious(page);
		assert(!found.length, `settings: ${found.join('; ')}`);
		await page.keyboard.press('Escape');
	},
	async 'settings stay'(page) {
		// Each person's own: the server does not learn of them.
		const kept = (test) => until('the browser keeps them', () => page.evaluate(() => JSON.parse(localStorage.getItem('xgotopfs.look') ?? '{}')), test);
		const shared = () => page.evaluate(async () => JSON.stringify((await (await fetch('/api/config')).json()).ui));
		const before = await shared();
		await page.getByLabel('Settings').click();
		for (const [what, whose] of [['Look', 'yours, kept in this browser'], ['Shared', 'kept on the server, for everybody']]) await page.locator('dialog h3', { hasText: what }).filter({ hasText: whose }).waitFor();
		await page.getByRole('button', { name: 'Dark' }).click();
		await page.getByRole('button', { name: 'Tall' }).click();
		await kept((ui) => ui.theme === 'dark' && ui.rowHeight === 30);
		assert(await shared() === before, `the server has learnt of it: ${before} became ${await shared()}`);
		await page.reload();
		await ready(page);
		assert(await page.evaluate(() => document.documentElement.dataset.theme) === 'dark', 'the theme is gone');
		assert(await page.evaluate(() => window.timeline.rowHeight) === 30, 'the row height is gone');
		await until('states are painted', () => painted(page, 'waiting'), (n) => n > 0.002);
		await shot(page, 'dark');
		await page.getByLabel('Settings').click();
		await shot(page, 'dark-settings');
		await page.getByRole('button', { name: /^xgotop's/ }).click();
		await until("all waiting in the original's colour", () => painted(page, '#ef4444'), (n) => n > 0.002);
		await page.getByRole('button', { name: 'Kinds of waiting' }).click();
		await until('and back', () => painted(page, '#ef4444'), (n) => n < 0.002);
		await page.getByRole('button', { name: 'System' }).click();
		await page.getByRole('button', { name: 'Normal' }).click();
		await kept((ui) => ui.theme === 'system' && ui.rowHeight === 20);
		await page.keyboard.press('Escape');
	},
};

const narrow = {
	async 'everything fits into 390 pixels'(page) {
		await page.goto(url);
		await ready(page);
		for (const [tab, what] of [['Timeline', 'canvas.rows'], ['Memory', '.tile'], ['Overview', '.plot canvas'], ['Leaks', '.leaks td'], ['Sessions', '.sessions td']]) {
			await page.getByRole('tab', { name: tab, exact: true }).click();
			await page.locator(what).first().waitFor();
			assert(await page.evaluate(() => document.documentElement.scrollWidth <= 390), `${tab} is wider than the screen`);
			await shot(page, `narrow-${tab.toLowerCase()}`);
		}
		await page.getByRole('tab', { name: 'Timeline' }).click();
		await ready(page);
		// One that lives has a row of its own, all along it; which rows there are may change until the finger is there.
		await until('the panel', async () => {
			const y = await page.evaluate(() => { const t = window.timeline; return t.canvas.getBoundingClientRect().y + t.rowTop(t.entries.findIndex((e) => e.row && !e.row.exited)) + 10; });
			await page.touchscreen.tap(250, y);
			return page.locator('.panel .stack').waitFor({ timeout: 2000 }).then(() => true, () => false);
		}, (shown) => shown);
		const box = await page.locator('.panel').boundingBox();
		assert(box.x === 0 && box.width === 390, 'the panel is not a sheet');
		await shot(page, 'narrow-panel');
		await page.locator('.panel-head').getByLabel('Close').click();
	},
};

const failed = await run({}, steps) + await run({ width: 390, height: 844, theme: 'dark', touch: true }, narrow);
process.exit(failed ? 1 : 0);
