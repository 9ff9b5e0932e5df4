// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The UI on a real program, the demo server under load: node live.mjs URL FOLDER MOUNT
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { assert, until } from './browser.mjs';
import { painted, run, selected, shot, view } from './page.mjs';

const [url, , mount] = process.argv.slice(2);
const WORKERS = 4;
const functions = (page) => page.evaluate(() => window.timeline.entries.map((e) => e.row?.func ?? e.lane?.func ?? ''));
const find = async (page, text) => {
	await page.getByLabel('Filter goroutines').fill(text);
	return until(`rows of ${text}`, () => functions(page), (all) => all.length && all.every((f) => f.includes(text)));
};
const all = async (page) => {
	await page.getByLabel('Filter goroutines').fill('');
	await until('all rows', () => functions(page), (f) => f.length > WORKERS + 2);
};
const status = (page) => page.evaluate(() => fetch('/api/live/status').then((r) => r.json()));
// Whichever it is, the tracing has gone on for that long when this comes back.
const traced = async (page, ns) => {
	const before = (await status(page)).now_ns;
	await until('the tracing goes on', () => status(page), (s) => s.now_ns > before + ns);
};
// The picture in the given theme, once the rows are in its colours.
const picture = async (page, theme, width) => {
	await page.emulateMedia({ colorScheme: theme });
	await page.waitForFunction((t) => document.documentElement.dataset.theme === t, theme);
	await until('states are painted', () => painted(page, 'waiting'), (n) => n > 0.002);
	await shot(page, `live-${width}-${theme}`);
};

const wide = {
	async 'rows appear, with the names of the demo'(page) {
		await page.goto(url);
		await page.waitForFunction(() => window.timeline?.entries.length > 6);
		for (const name of ['main.(*server).worker', 'main.(*server).janitor', 'main.(*server).forgotten', 'runtime.main'])
			await until(name, () => functions(page), (f) => f.includes(name));
		await until('waiting is painted', () => painted(page, 'waiting'), (n) => n > 0.002);
		await page.locator('.light.connected').waitFor();
		await until('what came and went has rows', () => functions(page), (f) => f.includes('main.fill'), 20);
	},
	async 'the audit agrees'(page) {
		await until('the audit', () => page.evaluate(() => document.querySelector('.metrics').innerText.replace(/\s+/g, ' ')),
			(text) => /AUDIT agrees/i.test(text));
	},
	async 'what tracing costs, by event type, and how a budget is kept'(page) {
		const box = page.getByRole('dialog', { name: 'Is the picture whole?' });
		const row = (name) => box.getByRole('row').filter({ has: page.getByRole('rowheader', { name, exact: true }) });
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('i');
		await until('the cost, and what to leave out', () => row('Cost').innerText(), (t) => /% of a CPU .* a hit is a trap of [\d,]+ ns/s.test(t) && /the first to leave out: -sample \w+:0/.test(t));
		assert(await row('Budget').count() === 0, 'a budget, and none is set');
		writeFileSync(`${mount}/control/max_overhead`, '90\n');
		await until('the budget', async () => (await row('Budget').count()) && row('Budget').innerText(), (t) => /at most 90 %/.test(t));
		writeFileSync(`${mount}/control/max_overhead`, '0\n');
		await until('none', () => row('Budget').count(), (n) => n === 0);
		await page.keyboard.press('Escape');
		await box.waitFor({ state: 'detached' });
	},
	async 'it follows'(page) {
		const before = await view(page);
		// What has only just begun is shown whole, and moves once it is ten seconds long.
		assert(before.t0 > -2e9, `it begins ${-before.t0} ns before there is anything`);
		await until('the view moves on', () => view(page), (v) => v.t1 > before.t1 + 1e9);
		await until('also its left edge', () => view(page), (v) => v.t0 > before.t0 + 1e9 && Math.abs(v.t1 - v.t0 - 10e9) < 1e6);
	},
	async 'pausing stops it, resuming goes on'(page) {
		await page.getByRole('button', { name: 'Pause', exact: true }).click();
		const resume = page.getByRole('button', { name: 'Resume', exact: true });
		await resume.waitFor();
		// The frame that is painted after the click is the one that is held.
		await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
		const held = await view(page);
		await traced(page, 7e8);
		assert((await view(page)).t1 === held.t1, 'it moves while it is held');
		// Held, the timeline is as it was when it comes back.
		await page.getByRole('tab', { name: 'Memory' }).click();
		await page.locator('canvas.rows').waitFor({ state: 'detached' });
		await page.getByRole('tab', { name: 'Timeline' }).click();
		await until('the minimap is painted', () => painted(page, null, 'canvas.minimap'), (n) => n > 0.002);
		await until('the rows are painted', () => painted(page, 'waiting'), (n) => n > 0.002);
		assert((await view(page)).t1 === held.t1, 'it moved while it was away');
		await resume.click();
		await until('it goes on', () => view(page), (v) => v.t1 > held.t1 + 1e9);
	},
	async 'search finds the workers'(page) {
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('/');
		await page.keyboard.type('main.(*server).worker');
		await until('their rows only', () => functions(page),
			(f) => f.length === WORKERS && f.every((name) => name === 'main.(*server).worker'));
		await page.keyboard.press('Enter');
		await page.locator('.panel .stack', { hasText: /goroutine \d+ \[/ }).waitFor();
		const goid = (await selected(page)).replace('Goroutine ', '');
		await until('its stack', () => page.locator('.panel .stack').textContent(),
			(t) => t.includes('main.(*server).worker(') && t.includes('created by main.newServer'));
		const folder = `${mount}/goroutines/${goid}`;
		const commands = await page.locator('.panel .path code').allTextContents();
		for (const file of ['status', 'stack', 'events'])
			assert(commands.includes(`cat ${folder}/${file}`), `no command for ${file}: ${commands}`);
		assert(readFileSync(`${folder}/stack`, 'utf8').includes('main.(*server).worker('), 'the mount has another stack');
	},
	async 'the panel of one that waits for ever'(page) {
		await find(page, 'main.(*server).forgotten');
		await page.getByLabel('Filter goroutines').press('Enter');
		await until('its stack', () => page.locator('.panel .stack').textContent(),
			(t) => /goroutine \d+ \[chan receive/.test(t) && t.includes('main.(*server).forgotten('));
		await page.locator('.panel').getByLabel('Close').click();
		await all(page);
	},
	async 'the download menu says why there is no heap profile, or has it'(page) {
		const menu = page.locator('.tools .menu'), why = menu.locator('.none'), link = menu.locator('a', { hasText: 'Heap profile' });
		await menu.locator('summary').click();
		await until('why there is none', () => why.textContent({ timeout: 1000 }).catch(() => ''), (t) => t.startsWith('Heap profile: the program keeps no heap profile'));
		assert(await link.count() === 0, 'there is one to download all the same');
		await shot(page, 'live-no-heap');
		await page.keyboard.press('Escape');
		// Of one that keeps it, as its comments say.
		await page.route('**/api/live/pprof/heap?*', (route) => route.fulfill({ body: gzipSync('the heap profile that the program keeps of itself') }));
		await menu.locator('summary').click();
		await until('it is there', async () => await link.count() === 1 && await why.count() === 0, Boolean);
		assert((await link.getAttribute('download')) === 'xgotopfs-live.heap.pb.gz', 'its name is another');
		await page.keyboard.press('Escape');
		await page.unroute('**/api/live/pprof/heap?*');
	},
	async 'one that has exited and is out of sight has no row'(page) {
		const out = () => page.evaluate(() => {
			const { view, entries } = window.timeline;
			// The rows are chosen anew at every eighth of the visible time.
			const slack = (view.t1 - view.t0) / 4;
			return entries.flatMap((e) => e.lane?.rows ?? e.row ?? []).filter((r) => r.exited && (r.exited < view.t0 - slack || r.created > view.t1 + slack)).length;
		});
		await until('rows in sight only', out, (n) => n === 0);
		await page.getByLabel('Exited', { exact: true }).click();
		await until('the living only', () => functions(page), (f) => f.length && !f.includes('main.fill'));
		await page.getByLabel('Exited', { exact: true }).click();
		await until('the exited again', () => functions(page), (f) => f.includes('main.fill'));
	},
	async 'memory, overview and leaks know the demo'(page) {
		await page.getByRole('tab', { name: 'Memory' }).click();
		await page.getByRole('tab', { name: 'By type' }).click();
		await page.locator('td', { hasText: 'main.Request' }).first().waitFor();
		await page.getByRole('tab', { name: 'Leaks' }).click();
		// A group of leaks that is folded has it, too.
		await page.locator('td:visible', { hasText: 'main.(*server).forgotten' }).first().waitFor();
		await page.getByRole('tab', { name: 'Overview' }).click();
		await until('plots', () => page.locator('.plot canvas').count(), (n) => n >= 6);
		await page.getByRole('tab', { name: 'Timeline' }).click();
		await page.waitForFunction(() => window.timeline?.entries.length > 6);
	},
	async 'the flame graph shows where goroutines are parked'(page) {
		const boxes = () => page.locator('.flame-box').allTextContents();
		await page.getByRole('tab', { name: 'Flame' }).click();
		await until('their functions', boxes, (all) => ['main.(*server).janitor', 'main.(*server).worker', 'main.(*server).forgotten'].every((name) => all.includes(name)));
		// As many as the mount says wait in that function.
		const dump = readFileSync(`${mount}/stacks`, 'utf8');
		const parked = dump.split('\n\n').filter((g) => g.includes('main.(*server).forgotten(')).length;
		const label = await page.getByRole('treeitem', { name: /^main\.\(\*server\)\.forgotten,/ }).getAttribute('aria-label');
		assert(parked > 0 && label === `main.(*server).forgotten, ${parked}`, `${label}, the mount says ${parked}`);
		await page.getByLabel('Search the graph').fill('forgotten');
		await until('it is found', () => page.locator('.found').textContent(), (t) => t.startsWith(`${parked} of `));
		await shot(page, 'live-flame');
		await page.getByRole('tab', { name: 'Overview' }).click();
		const waits = async () => Number(/: ([\d,]+) waits/.exec(await page.locator('.waits figcaption').textContent())?.[1].replace(/,/g, ''));
		await until('waits for a CPU', waits, (n) => n > 20);
		await page.getByRole('tab', { name: 'Timeline' }).click();
		await page.waitForFunction(() => window.timeline?.entries.length > 6);
	},
	async 'CPU time by samples, of all, of one goroutine, of a selected time'(page) {
		const on = JSON.parse(readFileSync(`${mount}/health.json`, 'utf8')).cpu_sampling === 'on';
		const note = page.locator('.flame .note');
		await page.getByRole('tab', { name: 'Flame' }).click();
		await page.getByRole('group', { name: 'What' }).getByRole('button', { name: 'CPU' }).click();
		if (!on) return await note.filter({ hasText: 'No samples: CPU samples are off' }).waitFor();
		await note.filter({ hasText: /\d samples?, .* of CPU time ± .*99 a second on each CPU/ }).waitFor();
		await until('functions', () => page.locator('.flame-box').count(), (n) => n > 3);
		await shot(page, 'live-cpu');
		// One that was sampled, by the server's own word.
		const goid = await until('a goroutine', () => page.evaluate(async () => {
			const one = (node) => node.sample || (node.children ?? []).map(one).find(Boolean);
			return one((await (await fetch('/api/live/flame?by=cpu&filter=func:main.*')).json()).root);
		}), (id) => id);
		await page.goto('about:blank');
		await page.goto(`${url}#view=flame&by=cpu&of=${goid}&g=${goid}`);
		await page.locator('.chip', { hasText: `goroutine ${goid}` }).waitFor();
		await note.filter({ hasText: /of 1 goroutine, .* By events they ran .*: (the samples stand for \d+ % of that|too few samples to be held against that)/ }).waitFor();
		const part = page.locator('.panel section', { hasText: 'by samples' });
		await part.filter({ hasText: /\d samples?, .* of CPU time ±/ }).waitFor();
		await until('its functions', () => part.locator('.flame-box').count(), (n) => n > 1);
		await part.scrollIntoViewIfNeeded();
		await shot(page, 'live-cpu-goroutine');
		await page.locator('.chip', { hasText: `goroutine ${goid}` }).click();
		await note.filter({ hasText: /of [\d,]+ goroutines/ }).waitFor();
		await page.getByRole('tab', { name: 'Timeline' }).click();
		await page.waitForFunction(() => window.timeline?.entries.length > 6);
		await page.keyboard.press('Escape');
	},
	async 'both themes'(page) {
		for (const theme of ['light', 'dark']) await picture(page, theme, 1280);
	},
};

const narrow = {
	async 'both themes in 390 pixels'(page) {
		await page.goto(url);
		await page.waitForFunction(() => window.timeline?.entries.length > 6);
		for (const theme of ['light', 'dark']) await picture(page, theme, 390);
		assert(await page.evaluate(() => document.documentElement.scrollWidth <= 390), 'it is wider than the screen');
	},
};

const failed = await run({}, wide) + await run({ width: 390, height: 844, touch: true }, narrow);
process.exit(failed ? 1 : 0);
