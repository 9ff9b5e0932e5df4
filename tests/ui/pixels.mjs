// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Pixels against events: every span is seen at every zoom, in its state's colour; every life that is over in its row:
// node pixels.mjs URL [FOLDER for screenshots]      URL: of what is live and stands still, or of a recorded session
import { assert, until } from './browser.mjs';
import { ready, run, shot } from './page.mjs';

const [url] = process.argv.slice(2), session = new URLSearchParams(url.split('#')[1] ?? '').get('source');
const api = (page, rest) => page.evaluate(async (path) => (await fetch(path)).json(), `/api/${session ? `sessions/${session}` : 'live'}/${rest}${rest.includes('?') ? '&' : '?'}proc=0`);
const SHARED = [1, 2, 3, 4]; // states that a cell of several has a share of: runnable, running, syscall, waiting
const ROWS = 16;
// As core/model/wait_kind.c has them: other, sync, channel, network, sleep, idle, GC.
const KIND = { 'sync.Mutex.Lock': 1, 'chan receive': 2, select: 2, 'IO wait': 3, sleep: 4, 'GC worker (idle)': 5 };

let goids; // of the rows that are looked at: the first that live
let spans; // theirs: [goid, begin, end, state, reason], relative

// The spans in sight that have no pixel of their colour where they are, and how many there are.
const unseen = (page) => page.evaluate((all) => {
	const t = window.timeline, v = t.view, dpr = t.dpr, missing = [];
	const copy = document.createElement('canvas'), ctx = copy.getContext('2d', { willReadFrequently: true });
	copy.width = t.canvas.width;
	copy.height = t.canvas.height;
	ctx.drawImage(t.canvas, 0, 0);
	const pixels = ctx.getImageData(0, 0, copy.width, copy.height).data;
	const place = new Map(t.entries.map((e, i) => [e.row?.goid, i]));
	const rgb = (c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16));
	const WAITS = [0, 1, 2, 3, 4, 5, 6].map((kind) => rgb(t.colors.wait[kind]));
	const left = Math.round(t.labels * dpr), h = Math.round(t.rowHeight * dpr);
	let looked = 0, own = 0, below = 0; // own: those that have a row to themselves, not a lane with others that have ended
	for (const [goid, begin, end, state, kind] of all) {
		const i = place.get(goid);
		own += i !== undefined;
		if (i === undefined || end <= v.t0 || begin >= v.t1) continue;
		const y = Math.round(t.rowTop(i) * dpr);
		below += y + h > copy.height;
		if (y < 30 * dpr || y + h > copy.height) continue;
		// Where its bucket may begin and end: one that is merged is as wide as two pixels.
		const x = (time) => (t.labels + v.x(time)) * dpr;
		const from = Math.max(left, Math.floor(x(begin)) - 2), to = Math.min(copy.width - 1, Math.ceil(x(end)) + 2);
		if (to - from < 5) continue; // at the edge
		looked++;
		// Of one that waits its kind's; where it is merged with others into a few pixels it may be another's.
		const colors = state !== 4 ? [rgb(t.colors.state[state])] : to - from > 12 ? [WAITS[kind]] : WAITS;
		let seen = false;
		for (let row = y; row < y + h && !seen; row++)
			for (let column = from; column <= to && !seen; column++) {
				const p = (row * copy.width + column) * 4;
				seen = colors.some(([r, g, b]) => Math.abs(pixels[p] - r) + Math.abs(pixels[p + 1] - g) + Math.abs(pixels[p + 2] - b) < 6);
			}
		if (!seen) missing.push([goid, begin, end, state, kind]);
	}
	return { looked, own, below, missing: missing.length, first: missing[0] };
}, spans);

// What is live and stands still is looked at where a step puts the view, not where its present is.
async function holdStill(page) {
	const follow = page.getByRole('button', { name: 'Follow', exact: true });
	if (!session) await until('it follows no more', async () => {
		if (await follow.getAttribute('aria-pressed') === 'true') await follow.click();
		return follow.getAttribute('aria-pressed');
	}, (pressed) => pressed === 'false');
}

const steps = {
	async 'its spans are known'(page) {
		await page.goto(url);
		await ready(page);
		if (session) {
			await until('it is read', () => api(page, 'status'), (s) => s.state === 'ready');
			// Anew: rows that came while it was being read are of those that lived then.
			await page.goto('about:blank');
			await page.goto(url);
			await ready(page);
		}
		await holdStill(page);
		const { first_ns: first, now_ns: now } = await api(page, 'status');
		spans = [];
		goids = !session ? Array.from({ length: ROWS }, (_, i) => i + 1) : await until('rows', () => page.evaluate((n) => window.timeline.entries.filter((e) => e.row && !e.row.exited).slice(0, n).map((e) => e.row.goid), ROWS), (list) => list.length === ROWS);
		for (const goid of goids) {
			const got = await api(page, `goroutines/${goid}/spans?from=0&to=${now}&limit=20000`);
			for (const [begin, end, state, reason] of got.spans)
				if (SHARED.includes(state)) spans.push([goid, begin - first, (end || now) - first, state, KIND[reason] ?? 0]);
		}
		assert(spans.length > (session ? 300 : 1000), `${spans.length} spans only`);
		const kinds = new Set(spans.filter((s) => s[3] === 4).map((s) => s[4]));
		assert([1, 2, 3, 4].every((kind) => kinds.has(kind)), `kinds of waiting: ${[...kinds]}`);
		const colors = await page.evaluate(() => window.timeline.colors.wait);
		assert(new Set(colors).size === 7, `two kinds have one colour: ${colors}`);
	},
};

// At each width the whole, and from there in by steps that are no power of two; about the middle of the longest row.
for (const width of [390, 1280, 1440])
	steps[`every span is seen, ${width} pixels wide`] = async (page) => {
		await page.setViewportSize({ width, height: 900 });
		await page.waitForFunction((w) => window.timeline.canvas.clientWidth === w, width);
		const end = Math.max(...spans.map((s) => s[2])), middle = spans.map((s) => s[1]).sort((a, b) => a - b)[spans.length >> 1];
		for (let span = end * 1.04, k = 0; span > 1e5; span /= 6.3, k++) {
			const from = k ? middle - span / 3.1 : -end * 0.02;
			await page.evaluate(([from, span]) => {
				const t = window.timeline;
				t.view.scale = span / t.view.width;
				t.view.t0 = from;
				t.view.scrollY = 0;
				t.redraw();
				return new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
			}, [from, span]);
			// The whole has them all, but for those whose rows are below.
			const least = (u) => (k ? (session ? 0 : 1) : session ? 20 : Math.max(spans.length * 0.8 - u.below, u.own * 0.5));
			await until(`${span} ns`, () => unseen(page), (u) => u.looked >= least(u) && !u.missing);
			if (!k) await shot(page, `pixels-${width}`);
		}
	};

// Where several are one mark, it says how many.
steps['merged spans say how many they are'] = async (page) => {
	await page.setViewportSize({ width: 1280, height: 900 });
	const { first_ns: first, now_ns: now } = await api(page, 'status'), all = new Map();
	const end = Math.max(...spans.map((s) => s[2])), middle = spans.map((s) => s[1]).sort((a, b) => a - b)[spans.length >> 1];
	// Of a recording of some milliseconds as far out as it takes.
	await page.evaluate((whole) => {
		const t = window.timeline;
		t.view.scale = whole / t.view.width;
		t.view.t0 = 0;
		t.view.scrollY = 0;
		t.redraw();
	}, end * (session ? 40 : 2));
	// Any row and time of which that is said; read with what it is said of.
	const told = () => page.evaluate(() => {
		const t = window.timeline, text = document.querySelector('.tooltip')?.textContent ?? '', said = /in ([\d.]+) ?(\S+) here: (\d+) spans/.exec(text), goid = /^Goroutine (\d+)/.exec(text);
		return said && goid ? { goid: Number(goid[1]), n: Number(said[3]), width: Number(said[1]) * { ns: 1, 'µs': 1e3, ms: 1e6, s: 1e9 }[said[2]], time: t.hover.time } : null;
	});
	let compared = 0;
	const there = new Set(spans.filter(([, begin, end]) => begin <= middle && end > middle).map(([goid]) => goid));
	for (const goid of goids.filter((goid) => there.has(goid))) {
		if (compared === 3) break;
		const box = await page.evaluate(([goid, at]) => {
			const t = window.timeline, i = t.indexOf(goid), r = t.canvas.getBoundingClientRect();
			return t.entries[i]?.row ? [r.left + t.labels + t.view.x(at), r.top + t.rowTop(i) + t.rowHeight / 2] : null;
		}, [goid, middle]);
		if (!box) continue;
		await page.mouse.move(...box);
		await page.locator('.tooltip', { hasText: `Goroutine ${goid}` }).waitFor();
		const said = await told();
		if (!said || said.goid !== goid || said.n < 3) continue;
		if (!all.has(goid)) all.set(goid, (await api(page, `goroutines/${goid}/spans?from=0&to=${now}&limit=20000`)).spans);
		// Its cell: of a power of two, which the text rounds.
		const width = 2 ** Math.round(Math.log2(said.width)), from = Math.floor((said.time + first) / width) * width;
		const n = all.get(goid).filter(([b, e]) => b < from + width && (e || now) > from).length;
		assert(n === said.n, `${said.n} spans of ${goid} in ${said.width} ns at ${said.time}; there are ${n}`);
		compared++;
	}
	assert(compared, 'nothing is merged');
};

// Lives that are over and in sight which have no mark in their row, their own or one they share, and how many there are.
const bare = (page) => page.evaluate(() => {
	const t = window.timeline, v = t.view, dpr = t.dpr, { width, height } = t.canvas, copy = document.createElement('canvas'), ctx = copy.getContext('2d', { willReadFrequently: true });
	[copy.width, copy.height] = [width, height];
	ctx.drawImage(t.canvas, 0, 0);
	const pixels = ctx.getImageData(0, 0, width, height).data, rgb = (c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16));
	// Colours of states, and of what is known to have lived and no more.
	const marks = [...t.colors.state, ...t.colors.wait, t.colors.muted].map(rgb), left = Math.round(t.labels * dpr), h = Math.round(t.rowHeight * dpr), missing = [], looked = [];
	for (const [i, { lane, row }] of t.entries.entries()) {
		const y = Math.round(t.rowTop(i) * dpr);
		if (y < 30 * dpr || y + h > height) continue;
		for (const r of lane?.rows ?? (row?.exited ? [row] : [])) {
			if (r.exited <= v.t0 || r.created >= v.t1) continue;
			const x = (time) => (t.labels + v.x(time)) * dpr, from = Math.max(left, Math.floor(x(r.created)) - 1), to = Math.min(width - 1, Math.ceil(x(r.exited)) + 1);
			looked.push(r.goid);
			let seen = false;
			for (let row = y; row < y + h && !seen; row++)
				for (let column = from; column <= to && !seen; column++) {
					const p = (row * width + column) * 4;
					seen = marks.some(([a, b, c]) => Math.abs(pixels[p] - a) + Math.abs(pixels[p + 1] - b) + Math.abs(pixels[p + 2] - c) < 24);
				}
			if (!seen) missing.push([r.goid, r.created, r.exited]);
		}
	}
	return { looked, missing: missing.length, first: missing[0], hover: t.hover && t.hover.x + t.canvas.getBoundingClientRect().left };
});

// Shows that time, and of the rows those of lives that are over, at the end; or that of one. Which rows there are goes by the time,
// and follows it.
const bringOver = (page, t0, span, goid = 0) => page.evaluate(([t0, span, goid]) => {
	const t = window.timeline, i = goid ? t.indexOf(goid) : t.entries.findIndex((e) => e.lane || e.row?.exited);
	t.view.scale = span / t.view.width;
	t.view.t0 = t0;
	if (i >= 0) t.view.scroll(Math.max(0, (i - 2) * t.rowHeight));
	t.redraw();
	return new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
}, [t0, span, goid]);

// Lives that are over share rows: each has a mark in its own, at every zoom, or says that it is one of several in that pixel.
for (const width of [390, 1280, 1440])
	steps[`every life that is over has a mark, ${width} pixels wide`] = async (page) => {
		await page.setViewportSize({ width, height: 900 });
		await page.waitForFunction((w) => window.timeline.canvas.clientWidth === w, width);
		const { first_ns: first, now_ns: now } = await api(page, 'status'), end = now - first;
		const whole = [-end * 0.02, end * 1.04];
		await until('the whole', async () => { await bringOver(page, ...whole); return bare(page); }, (u) => u.looked.length > 3 && !u.missing);
		await shot(page, `lives-${width}`);
		const lives = await page.evaluate(() => window.timeline.entries.flatMap((e) => e.lane?.rows ?? []).map((r) => [r.goid, r.created, r.exited]).sort((a, b) => a[1] - b[1]));
		const middle = lives[lives.length >> 1][1];
		// The pointer's line is behind the marks: under it each has its own colour.
		const brief = lives.map(([, created, exited]) => [exited - created, created]).sort((a, b) => a[0] - b[0])[0][1];
		const at = await page.evaluate((time) => { const t = window.timeline, r = t.canvas.getBoundingClientRect(); return [r.left + t.labels + t.view.x(time), r.top + 60]; }, brief);
		for (const off of [0, 1, -1, 0.5]) {
			await page.mouse.move(at[0] + off, at[1]);
			await until('the pointer', async () => { await bringOver(page, ...whole); return bare(page); }, (u) => Math.abs(u.hover - at[0] - off) < 0.01 && !u.missing);
		}
		await page.mouse.move(5, 5);
		for (let span = end * 1.04 / 6.3; span > 1e5; span /= 6.3)
			await until(`${span} ns`, async () => { await bringOver(page, middle - span / 3.1, span); return bare(page); }, (u) => !u.missing);
		// No more of one is in sight than the last third of a pixel, or the first.
		const wide = await page.evaluate(() => window.timeline.view.width);
		for (const [goid, created, exited] of lives.filter((_, i) => i % Math.ceil(lives.length / 6) === 0))
			for (const px of [(exited - created) / 300, (exited - created) / 8, (exited - created) * 3])
				for (const t0 of [exited - px * 0.3, created - px * (wide - 0.3)])
					await until(`at an edge, ${px} ns a px`, async () => { await bringOver(page, t0, px * wide, goid); return bare(page); }, (u) => u.looked.includes(goid) && !u.missing);
	};

// The legend's figures are the server's, also where it is narrow.
for (const width of [390, 1280, 1440])
	steps[`how many are in each state is what the server says, ${width} pixels wide`] = async (page) => {
		await page.setViewportSize({ width, height: 900 });
		const { states } = await api(page, 'status');
		await until('the legend', () => page.locator('.legend > button').allTextContents(), (list) => list.length >= 4 && list.every((text) => {
			const [, state, n] = /^(\w+) (\d+)$/.exec(text) ?? [];
			return states[state] === Number(n);
		}));
	};

// Nobody was in any state before the beginning; a bucket that begins before it keeps a pixel.
steps['no state stands before 0 s'] = async (page) => {
	const before = () => page.evaluate(() => {
		const t = window.timeline, dpr = t.dpr, copy = document.createElement('canvas'), ctx = copy.getContext('2d', { willReadFrequently: true });
		const left = Math.round(t.labels * dpr), zero = Math.round((t.labels + t.view.x(0)) * dpr) - 2;
		[copy.width, copy.height] = [t.canvas.width, t.canvas.height];
		ctx.drawImage(t.canvas, 0, 0);
		const count = (x, width) => {
			const d = ctx.getImageData(x, Math.round(30 * dpr), width, copy.height - Math.round(30 * dpr)).data;
			let n = 0;
			for (let i = 0; i < d.length; i += 4) if (Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 50) n++;
			return n;
		};
		return { room: zero - left, before: count(left, zero - left), after: count(zero, copy.width - zero) };
	});
	await page.mouse.move(5, 5);
	const end = Math.max(...spans.map((s) => s[2]));
	for (let span = end * 2; span > 1e4; span /= 7.3) {
		await page.evaluate((span) => {
			const t = window.timeline;
			t.view.scale = span / t.view.width;
			t.view.t0 = -span * 0.4;
			t.redraw();
		}, span);
		await until(`${span} ns`, before, (n) => n.room > 100 && !n.before && (n.after || span < 1e7));
	}
};

process.exit(await run({ home: url, prepare: holdStill }, steps) ? 1 : 0);
