// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Processes, the flame graph, latency over time and comparing, on the made-up server with a second
// process: node views.mjs URL [FOLDER for screenshots]
import { assert, until } from './browser.mjs';
import { ask, painted, pointAt, ready, run, shot } from './page.mjs';

const [url] = process.argv.slice(2);
const SECOND = 12; // goroutines of the second process
const tab = (page, name) => page.getByRole('tab', { name, exact: true }).click();
// Each step begins on that tab, whatever the one before it left behind.
const on = (name, steps) => Object.fromEntries(Object.entries(steps).map(([title, step]) => [title, async (page, problems) => {
	if (await page.getByRole('tab', { name, exact: true }).getAttribute('aria-selected') !== 'true') await tab(page, name);
	await step(page, problems);
}]));
const rows = (page) => page.evaluate(() => window.timeline?.entries.filter((e) => e.row && !e.row.exited).length ?? 0);
const boxes = (page) => page.locator('.flame-box').allTextContents();
const hash = (page) => page.evaluate(() => location.hash);
const goroutines = async (page) => Number((await page.locator('.flame .note b').first().textContent()).split(' ')[0].replace(/,/g, ''));
const frames = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const name = (page) => page.locator('.flame-details b').textContent();

async function chooseSecond(page) {
	await page.goto(url);
	await ready(page);
	const options = await page.getByLabel('Process', { exact: true }).locator('option').allTextContents();
	assert(options.length === 2 && options[0].includes('4242') && options[1].includes('4343'), `processes: ${options}`);
	await page.getByLabel('Process', { exact: true }).selectOption('1');
	await until('its goroutines only', () => rows(page), (n) => n === SECOND);
	await until('its states are painted', () => painted(page, 'waiting'), (n) => n > 0.0005);
	await until('the address', () => hash(page), (h) => h.includes('proc=1'));
}

const processes = {
	async 'another process can be chosen'(page) {
		await chooseSecond(page);
		await ask(page, '3');
		await until('its path', () => page.locator('.path code').first().textContent(), (t) => t === 'cat /mnt/xgotop/processes/4343/goroutines/3/status');
		await page.locator('.panel .stack', { hasText: 'main.(*Ingest).consume' }).waitFor();
		await shot(page, 'process');
	},
	async 'the address keeps it'(page) {
		const readable = await page.getByLabel('Process', { exact: true }).evaluate((s) => ({ text: s.selectedOptions[0].textContent, title: s.title, width: s.clientWidth }));
		assert(/^4343 · /.test(readable.text) && readable.title.includes('pid 4343') && readable.width > 70, `the pid is not readable: ${JSON.stringify(readable)}`);
		await until('the address', () => hash(page), (h) => h.includes('g=3'));
		await page.reload();
		await until('its goroutines again', () => rows(page), (n) => n === SECOND);
		assert(await page.getByLabel('Process', { exact: true }).inputValue() === '1', 'another one is chosen');
		await until('the panel', () => page.locator('.panel h2').textContent(), (t) => t === 'Goroutine 3');
		await page.locator('.panel-head').getByLabel('Close').click();
	},
	async 'every view is about it'(page) {
		await tab(page, 'Leaks');
		await until('two places', () => page.locator('.leaks tbody tr').count(), (n) => n === 2);
		await tab(page, 'Overview');
		await until('its total', () => page.locator('.totals').textContent(), (t) => t.includes(` ${SECOND} live`));
		await tab(page, 'Timeline');
		await page.getByLabel('Process', { exact: true }).selectOption('0');
		await until('the first one', () => rows(page), (n) => n > 40);
		await until('the address', () => hash(page), (h) => !h.includes('proc='));
	},
	async 'one that is not there is the first one'(page) {
		await page.goto('about:blank');
		await page.goto(`${url}#proc=9`);
		await until('the first one', () => rows(page), (n) => n > 40);
	},
};

const flame = {
	async 'the stacks of goroutines'(page) {
		await tab(page, 'Flame');
		await until('where they are', () => boxes(page), (all) => ['all', 'main.worker', 'main.(*Queue).pop', 'select'].every((b) => all.includes(b)));
		await page.locator('.flame .note', { hasText: 'goroutines by where they are parked' }).waitFor();
		assert(/Not a CPU profile/.test(await page.locator('.flame .note').textContent()), 'it does not say what it is not');
		const answer = await page.evaluate(() => fetch('/api/live/flame').then((r) => r.json()));
		const check = (n) => {
			const children = n.children ?? [];
			assert(n.goroutines >= children.reduce((sum, c) => sum + c.goroutines, 0), `${n.name} has fewer than its parts`);
			children.forEach(check);
		};
		check(answer.root);
		assert(answer.goroutines + answer.without_stack > 40, `only ${answer.goroutines}`);
		await shot(page, 'flame');
	},
	async 'a click and keys zoom'(page) {
		const worker = page.getByRole('treeitem', { name: /^main\.worker,/ });
		await worker.waitFor();
		const box = await worker.boundingBox();
		const middle = [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
		await page.mouse.click(...middle);
		await until('its details', () => name(page), (t) => t === 'main.worker');
		await until('only what is under it', () => boxes(page), (all) => !all.includes('main.leakySubscriber') && all.includes('all'));
		await until('the address', () => hash(page), (h) => h.includes('at=main.worker'));
		await page.keyboard.press('ArrowDown');
		const inner = await until('what is under it', () => name(page), (t) => t !== 'main.worker');
		// As a browser does when boxes move under a pointer that rests.
		await page.evaluate(([x, y]) => document.elementFromPoint(x, y).dispatchEvent(
			new MouseEvent('mousemove', { bubbles: true, clientX: x, clientY: y })), middle);
		await frames(page);
		assert(await name(page) === inner, 'the pointer took the choice back from the keys');
		await page.keyboard.press('Enter');
		await until('further in', () => hash(page), (h) => decodeURIComponent(h).includes(`main.worker;${inner}`));
		await page.keyboard.press('Escape');
		await page.keyboard.press('Escape');
		await until('all of it', () => boxes(page), (all) => all.includes('main.leakySubscriber'));
		// One behind many others: it keeps the focus when those go.
		await page.getByRole('treeitem', { name: /^main\.leakySubscriber,/ }).click();
		await until('only that', () => boxes(page), (all) => !all.includes('main.worker'));
		await until('it has the focus', () => page.evaluate(() => document.activeElement.getAttribute('aria-label')), (t) => t?.startsWith('main.leakySubscriber,'));
		await page.keyboard.press('ArrowDown');
		await until('what is under that', () => name(page), (t) => t !== 'main.leakySubscriber');
		await page.keyboard.press('Escape');
		await until('all of it', () => boxes(page), (all) => all.includes('main.worker'));
		await page.getByRole('treeitem', { name: /^main\.worker,/ }).click();
		await page.locator('.flame-details button', { hasText: 'one of them' }).click();
		await page.locator('.panel .stack', { hasText: 'main.worker' }).waitFor();
		await page.locator('.panel-head').getByLabel('Close').click();
		await page.getByRole('button', { name: 'All', exact: true }).click();
	},
	async 'a search shows what matches'(page) {
		await page.keyboard.press('/');
		await page.keyboard.type('queue).POP');
		await until('what matches', () => page.locator('.flame-box.hit').count(), (n) => n > 0);
		const text = await page.locator('.found').textContent();
		const [hit, total] = /^([\d,]+) of ([\d,]+) match/.exec(text).slice(1).map((t) => Number(t.replace(/,/g, '')));
		assert(hit > 0 && hit < total, text);
		await shot(page, 'flame-search');
		await page.keyboard.press('Escape');
		await until('nothing is searched', () => page.locator('.flame-box.miss').count(), (n) => n === 0);
	},
	async 'a search finds what the zoom leaves out'(page) {
		await page.getByRole('treeitem', { name: /^main\.worker,/ }).click();
		await until('only that', () => boxes(page), (all) => !all.includes('main.leakySubscriber'));
		await page.getByLabel('Search the graph').fill('leakySubscriber');
		await page.locator('.found', { hasText: 'outside of what is shown' }).waitFor();
		await page.getByLabel('Search the graph').press('Enter');
		await until('it is shown', () => boxes(page), (all) => all.includes('main.leakySubscriber'));
		await page.getByLabel('Search the graph').fill('');
		await page.getByRole('button', { name: 'All', exact: true }).click();
	},
	async 'by origin, and by time'(page) {
		await page.getByRole('button', { name: 'Origins' }).click();
		await page.locator('.flame .note', { hasText: 'by start function, go statement and state' }).waitFor();
		assert(await goroutines(page) > 40, 'few goroutines');
		await page.getByRole('button', { name: 'Time', exact: true }).click();
		await page.locator('.flame .note', { hasText: 'time in each state' }).waitFor();
		await until('the address', () => hash(page), (h) => h.includes('by=origin') && h.includes('weight=ns'));
		await page.reload();
		await page.locator('.flame .note', { hasText: 'time in each state' }).waitFor();
		await page.getByRole('button', { name: 'Goroutines', exact: true }).click();
		await page.getByRole('button', { name: 'Stacks' }).click();
	},
	async 'latency over time'(page) {
		await tab(page, 'Overview');
		const count = async () => Number(/: ([\d,]+) waits/.exec(await page.locator('.waits figcaption').textContent())?.[1].replace(/,/g, ''));
		await until('waits', count, (n) => n > 1000);
		await until('it is painted', () => painted(page, null, '.waits canvas'), (n) => n > 0.02);
		// What comes later above it moves it away from the pointer.
		const within = (what, x, y) => async () => {
			await page.locator(what).scrollIntoViewIfNeeded();
			const box = await page.locator(what).boundingBox();
			return { x: box.x + x(box), y: box.y + y(box) };
		};
		await pointAt(page, 'how long they waited is told', within('.waits canvas', (b) => b.width / 2, (b) => b.height / 2), page.locator('.waits .tooltip', { hasText: 'waited' }));
		await until('how busy they were is painted', () => painted(page, null, '.busy canvas'), (n) => n > 0.005);
		await pointAt(page, 'how busy they were is told', within('.busy canvas', (b) => b.width / 2, () => 20), page.locator('.busy .tooltip', { hasText: '% of the time' }));
		await page.locator('.waits canvas').scrollIntoViewIfNeeded();
		await shot(page, 'heat');
		const begin = within('.waits canvas', () => 200, () => 20);
		await until('a range', async () => {
			if (await page.locator('.range').count()) return true;
			const from = await begin();
			await page.mouse.move(from.x, from.y);
			await page.mouse.down();
			await page.mouse.move(from.x + 100, from.y + 10, { steps: 3 });
			await page.mouse.up();
			return page.locator('.range').waitFor({ timeout: 2000 }).then(() => true, () => false);
		}, (is) => is);
		await page.locator('.range td', { hasText: 'runnable' }).waitFor();
		await page.locator('.range').getByLabel('Close').click();
	},
};

const compare = {
	async 'two sessions side by side'(page) {
		await tab(page, 'Compare');
		await until('all figures', () => page.locator('.compare tbody tr').count(), (n) => n > 10);
		const want = await until('the address', () => page.evaluate(async () => {
			const ids = new URLSearchParams(location.hash.slice(1)).get('compare')?.split(',') ?? [];
			const all = await Promise.all(ids.map((id) => fetch(`/api/sessions/${id}/status`).then((r) => r.json())));
			return all.every((s) => s.state === 'ready') ? all.map((s) => Object.values(s.events).reduce((x, y) => x + y)) : [];
		}), (v) => v.length === 2);
		const number = (t) => Number(t?.replace(/[,+]/g, ''));
		await until(`the events of both, ${want}`, () => page.locator('.compare tr', { has: page.getByText('events', { exact: true }) }).locator('td').allTextContents(),
			(cells) => number(cells[1]) === want[0] && number(cells[2]) === want[1] && number(cells[3]) === want[1] - want[0]);
		await shot(page, 'compare');
	},
	async 'by state, function and type, sorted, as CSV'(page) {
		await page.getByRole('tab', { name: 'States' }).click();
		await page.locator('td', { hasText: 'waiting: time of all' }).waitFor();
		await page.getByRole('tab', { name: 'Types' }).click();
		await page.getByLabel('What is compared').selectOption('count');
		await until('types', () => page.locator('.compare tbody tr').count(), (n) => n > 2);
		await page.getByRole('tab', { name: 'Functions' }).click();
		await page.getByLabel('What is compared').selectOption('goroutines');
		await page.locator('td', { hasText: 'net/http.(*Server).Serve' }).first().waitFor();
		await page.getByRole('button', { name: 'A', exact: true }).click();
		const column = async () => (await page.locator('.compare tbody tr td:nth-child(2)').allTextContents()).map((t) => Number(t.replace(/,/g, '')));
		await until('most first', column, (v) => v.length > 1 && v.every((x, i) => !i || x <= v[i - 1]));
		await page.getByRole('button', { name: 'A ↓', exact: true }).click();
		await until('fewest first', column, (v) => v.every((x, i) => !i || x >= v[i - 1]));
		await page.evaluate(() => { navigator.clipboard.writeText = async (t) => { window.copied = t; }; });
		await page.getByRole('button', { name: 'Copy CSV' }).click();
		await page.getByRole('button', { name: 'Copied' }).waitFor();
		const csv = (await page.evaluate(() => window.copied)).trim().split('\n');
		assert(csv[0].startsWith('name,unit,"A ') && csv.length === (await column()).length + 1, csv[0]);
		const [, unit, a, b, difference] = csv[1].match(/^(".*"),(\w+),([-\d.]+),([-\d.]+),([-\d.]+)$/).slice(1).map((x, i) => (i > 1 ? Number(x) : x));
		assert(unit === 'count' && difference === b - a, csv[1]);
		await page.getByLabel('a second').check();
		await until('rates', () => page.locator('.compare tbody tr td:nth-child(2)').allTextContents(), (t) => t.length && t.some((x) => Number(x.replace(/,/g, '')) > 1000));
		await page.getByLabel('a second').uncheck();
		await shot(page, 'compare-functions');
	},
	async 'with what is live, and exchanged'(page) {
		await page.getByLabel('B: recording').selectOption('live');
		await page.getByLabel('B: process').waitFor();
		await page.getByRole('tab', { name: 'Totals' }).click();
		await page.getByLabel('Exchange A and B').click();
		assert(await page.getByLabel('A: recording').inputValue() === 'live', 'not exchanged');
		await page.locator('td', { hasText: 'goroutines created' }).waitFor();
		await until('the address', () => hash(page), (h) => decodeURIComponent(h).includes('compare=live,'));
		await page.reload();
		await page.locator('td', { hasText: 'goroutines created' }).waitFor();
		assert(await page.getByLabel('A: recording').inputValue() === 'live', 'the address does not keep it');
	},
	async 'a recorded session has no stacks and says so'(page) {
		await tab(page, 'Sessions');
		await page.getByRole('button', { name: 'Open', exact: true }).first().click();
		await ready(page);
		await tab(page, 'Flame');
		await page.locator('.flame .note', { hasText: 'A recorded session has no stacks' }).waitFor();
		await until('its functions', () => boxes(page), (all) => all.some((b) => b.includes('Serve')));
		assert(!await page.getByRole('button', { name: 'Stacks' }).count(), 'it offers stacks');
		await shot(page, 'flame-session');
		await page.getByRole('button', { name: /Recorded/ }).click();
		await page.getByRole('button', { name: 'Stacks' }).waitFor();
	},
};

const view = (page) => page.evaluate(() => {
	const v = window.timeline.view;
	return { t0: v.t0, scale: v.scale, scrollY: v.scrollY };
});
const goids = (page) => page.evaluate(() => window.timeline.entries.filter((e) => e.row).map((e) => e.row.goid));
const chosen = async (page) => Number((await page.locator('.panel h2').textContent()).replace('Goroutine ', ''));

const keys = {
	async 'arrow keys and Shift+wheel move, F shows a whole life'(page) {
		await tab(page, 'Timeline');
		await ready(page);
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('ArrowLeft');
		const before = await view(page);
		await page.keyboard.press('ArrowLeft');
		const left = await until('earlier', () => view(page), (v) => v.t0 < before.t0);
		await page.keyboard.press('ArrowRight');
		await until('later', () => view(page), (v) => v.t0 > left.t0);
		await page.mouse.move(700, 400);
		const there = await view(page);
		await page.keyboard.down('Shift');
		await page.mouse.wheel(0, 200);
		await page.keyboard.up('Shift');
		await until('later by the wheel', () => view(page), (v) => v.t0 > there.t0 && v.scale === there.scale);
		await page.keyboard.press('ArrowDown');
		await page.locator('.panel').waitFor();
		const narrower = await view(page);
		assert(narrower.t0 > 0, `it begins at ${narrower.t0}, not at the present`);
		await page.keyboard.press('f');
		await until('its whole life', () => view(page), (v) => v.scale > narrower.scale && v.t0 < narrower.t0);
	},
	async 'the time at a pointer that rests is the one under it'(page) {
		await page.mouse.move(700, 401);
		await page.keyboard.press('d');
		await frames(page);
		const [says, is, scale] = await page.evaluate(() => {
			const t = window.timeline;
			return [t.hover.time, t.view.time(t.hover.x - t.labels), t.view.scale];
		});
		assert(Math.abs(says - is) <= scale, `it says ${says}, it is ${is}`);
	},
	async 'what was looked at is there again after another view'(page) {
		await page.keyboard.press('Escape');
		await page.locator('.panel').waitFor({ state: 'detached' });
		await page.mouse.wheel(0, 200);
		await until('it scrolls', () => view(page), (v) => v.scrollY > 0);
		const place = await view(page);
		await tab(page, 'Memory');
		await page.locator('canvas.rows').waitFor({ state: 'detached' });
		await tab(page, 'Timeline');
		await page.locator('canvas.rows').waitFor();
		await until(`as it was: ${JSON.stringify(place)}`, () => view(page), (back) => Math.abs(back.t0 - place.t0) < place.scale && back.scale === place.scale && back.scrollY === place.scrollY);
	},
	async 'to who woke it'(page) {
		const woken = await until('one that was woken', () => page.evaluate(() => window.timeline.entries.find((e) => e.row?.wokenBy && e.row.wokenBy !== e.row.goid &&
			window.timeline.indexOf(e.row.wokenBy) >= 0)?.row.goid ?? 0), (goid) => goid > 0);
		await ask(page, woken);
		await until('it', () => chosen(page), (goid) => goid === woken);
		// A timer may have woken it in the meantime; then the key has nowhere to go to.
		await until('another one', async () => {
			if (await chosen(page) === woken) await page.keyboard.press('u');
			return chosen(page);
		}, (goid) => goid !== woken);
	},
	async 'hidden rows come back, compact rows are low'(page) {
		// One that lives: the row of one that has exited may be out of the visible time.
		await ask(page, '5');
		await until('it', () => chosen(page), (n) => n === 5);
		// How many have exited in the visible time changes with it; how many live does not, much.
		const goid = await chosen(page), living = await rows(page);
		await page.keyboard.press('h');
		await until('its row is gone', () => goids(page), (list) => !list.includes(goid));
		await page.getByRole('button', { name: '1 hidden' }).click();
		await until('its row is back', () => goids(page), (list) => list.includes(goid));
		await until('and all others', () => rows(page), (n) => n >= living - 5);
		const height = () => page.evaluate(() => window.timeline.rowHeight);
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('c');
		await until('compact', height, (h) => h === 12);
		await shot(page, 'compact');
		await page.keyboard.press('c');
		await until('normal', height, (h) => h === 20);
		await page.keyboard.press('Escape');
		await page.locator('.panel').waitFor({ state: 'detached' });
	},
};

const control = {
	async 'detaching the probes asks first'(page) {
		const paused = () => page.evaluate(async () => (await (await fetch('/api/control')).json()).paused);
		await page.getByLabel('Settings').click();
		await page.locator('dialog h3', { hasText: 'Tracing' }).filter({ hasText: 'shared' }).waitFor();
		await page.getByRole('button', { name: 'Detach…' }).click();
		const asks = page.getByRole('alertdialog', { name: 'Detach?' });
		await asks.getByRole('button', { name: 'Keep' }).click();
		await asks.waitFor({ state: 'detached' });
		assert(await paused() === false, 'they are detached without a word');
		await page.getByRole('button', { name: 'Detach…' }).click();
		await asks.getByRole('button', { name: 'Detach', exact: true }).click();
		await until('they are detached', paused, (is) => is);
		await page.getByRole('button', { name: 'Attach again' }).click();
		await until('and attached', paused, (is) => !is);
		await page.keyboard.press('Escape');
		await page.locator('dialog').waitFor({ state: 'detached' });
	},
};

const narrow = {
	'the process in 390 pixels': chooseSecond,
	async 'the new views in 390 pixels'(page) {
		for (const [name, what] of [['Flame', '.flame-box'], ['Overview', '.waits canvas'], ['Compare', '.compare td']]) {
			await tab(page, name);
			await page.locator(what).first().waitFor();
			assert(await page.evaluate(() => document.documentElement.scrollWidth <= 390), `${name} is wider than the screen`);
			await page.locator(what).first().scrollIntoViewIfNeeded();
			await shot(page, `narrow-${name.toLowerCase()}`);
		}
		const last = await page.locator('.compare tbody tr').first().locator('td').last().boundingBox();
		assert(last.x + last.width <= 390, 'the differences are out of sight');
	},
};

const failed = await run({}, { ...processes, ...on('Flame', flame), ...on('Compare', compare), ...on('Timeline', keys), ...control }) + await run({ width: 390, height: 844, theme: 'dark', touch: true }, narrow);
process.exit(failed ? 1 : 0);
