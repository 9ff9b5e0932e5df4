// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The six questions, asked of the UI while it shows examples/three-bugs under load: each answered in at
// most three steps from the first screen. A step is a click, a key or a drag; the script
// counts them. node walk.mjs URL [FOLDER for pictures [all]]: with "all", every question in both
// themes at 390, 1280 and 1440 px; else light at 1280, and two dark at 390.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { assert, open, until } from './browser.mjs';
import { serious } from './axe.mjs';
import { painted } from './page.mjs';

const [url, folder, which] = process.argv.slice(2);
const STEPS_MOST = 3;
if (folder) mkdirSync(folder, { recursive: true });

// What a person does, counted.
class Hand {
	steps = 0;
	constructor(page, picture) {
		this.page = page;
		this.picture = picture; // of what is on the way
	}
	async click(locator) {
		this.steps++;
		await locator.click();
	}
	// What moves on meanwhile is clicked where it is then: `place` finds it (none: not yet), `chosen` is true of it.
	async at(what, place, chosen) {
		this.steps++;
		await until(what, async () => {
			const at = await place();
			if (at) await this.page.mouse.click(at.x, at.y);
			return at && chosen(at);
		}, Boolean, 60);
	}
	async key(key) {
		this.steps++;
		await this.page.keyboard.press(key);
	}
	async drag(from, to) {
		this.steps++;
		await this.page.mouse.move(...from);
		await this.page.mouse.down();
		await this.page.mouse.move(...to, { steps: 4 });
		await this.page.mouse.up();
	}
}

const tab = (page, name) => page.getByRole('tab', { name, exact: true });
const text = (page, what) => page.locator(what).first().innerText();
const has = (...parts) => (said) => parts.every((p) => (p instanceof RegExp ? p.test(said) : said.includes(p)));

// The answer is on the screen, not beyond its edge.
async function seen(page, locator) {
	await locator.waitFor();
	const { x, y, width, height } = await locator.boundingBox(), most = page.viewportSize();
	assert(x >= 0 && x + Math.min(width, 40) <= most.width && y >= 0 && y + Math.min(height, 20) <= most.height, `the answer is out of sight: at ${x}, ${y} of ${most.width}, ${most.height}`);
}

// Each comes to its answer and says what it is.
const QUESTIONS = {
	async 'who holds the lock that others wait for'(page, hand) {
		await hand.click(page.locator('.insights-line'));
		const line = page.locator('.insights-list li button', { hasText: 'critical convoy' });
		// Between two who have it nobody has; the line is read anew.
		const holds = has('wait for one Mutex', 'main.(*prices).reload', 'main.go:36', /likely holder G\d+/);
		const said = await until('the convoy, and who likely holds the lock', async () => (await line.count() ? await line.first().innerText({ timeout: 1000 }).catch(() => '') : ''), holds, 60);
		const goid = /likely holder G(\d+)/.exec(said)[1];
		await hand.picture('problems');
		await hand.click(line.filter({ hasText: `likely holder G${goid}` }));
		await until('the holder', () => text(page, '.panel h2'), (t) => t === `Goroutine ${goid}`);
		await until('where it is', () => page.locator('.panel .stack').innerText(), has('main.(*prices).reload'), 60);
		return said;
	},
	async 'who allocates most, and from where'(page, hand) {
		await hand.click(tab(page, 'Memory'));
		await hand.click(page.getByRole('tab', { name: 'By call site' }));
		const first = page.locator('.call-sites tbody tr').first();
		const said = await until('the hog', () => first.innerText(), has('main.withLine', 'main.go:84'), 60);
		for (const cell of [0, 2, 3]) await seen(page, first.locator('td').nth(cell));
		return said;
	},
	async 'what is slow in this goroutine: why it waited, and who woke it'(page, hand) {
		const place = () => page.evaluate(() => {
			const t = window.timeline, box = t.canvas.getBoundingClientRect(), i = t.entries.findIndex((e) => e.row?.func === 'net/http.(*conn).serve' && e.row.waiting > 1e9);
			return i < 0 || t.rowTop(i) + 20 > box.height ? null : { x: box.x + t.labels + 60, y: box.y + t.rowTop(i) + 10, goid: t.entries[i].row.goid };
		});
		await hand.at('one that waited', place, ({ goid }) => page.locator('.panel h2', { hasText: new RegExp(`^Goroutine ${goid}$`) }).waitFor({ timeout: 3000 }).then(() => true, () => false));
		const first = page.locator('.slow tr').first();
		await first.waitFor();
		const said = await until('its longest stay', () => page.locator('.slow').innerText(), has('sync.Mutex.Lock', /ended by \d+/, / s\b/), 60);
		if (page.viewportSize().width > 700) await seen(page, first);
		return said.split('\n').slice(0, 4).join(' ');
	},
	async 'what happened in that time'(page, hand) {
		const { x, y, width } = await page.locator('canvas.rows').boundingBox();
		const labels = await page.evaluate(() => window.timeline.labels);
		await hand.drag([x + labels + (width - labels) * 0.35, y + 12], [x + labels + (width - labels) * 0.75, y + 12]);
		const bar = page.locator('.range');
		const said = await until('its figures', () => bar.innerText(), has(/[\d,]+ goroutines/, /[\d.]+k? events/, 'waiting', 'running'), 60);
		await seen(page, bar.locator('.range-head').first());
		// And what for they waited, the longest in all first.
		await hand.click(bar.getByRole('group', { name: 'Selected time by' }).getByRole('button', { name: 'Reason' }));
		const reason = bar.locator('tbody tr', { hasText: 'sync.Mutex.Lock' }).first();
		await reason.waitFor();
		await reason.scrollIntoViewIfNeeded();
		await seen(page, reason);
		return said.split('\n').slice(0, 4).join(' ');
	},
	async 'is the picture whole: loss, audit, coverage'(page, hand) {
		await hand.key('i');
		const box = page.locator('.whole');
		const said = await until('loss, audit and coverage', () => box.innerText(), has(/told, none lost|lost, beside/, 'Events against memory', /agrees|waiting|differs/, 'Told by no event'), 60);
		await seen(page, box);
		return said.split('\n').slice(0, 3).join(' ');
	},
	// The last: some seconds must have passed before it is marked.
	async 'what leaks, and where it was created'(page, hand) {
		await hand.click(tab(page, 'Leaks'));
		const row = page.locator('.leaks tr.suspicious', { hasText: 'main.askIndex' });
		await row.waitFor({ timeout: 60000 });
		await seen(page, row.getByText('main.search').filter({ visible: true }));
		return until('the leak', () => row.innerText(), has('main.askIndex', 'main.search', 'main.go:56', /chan send/), 60);
	},
};

const SHORT = ['lock', 'hog', 'slow', 'range', 'whole', 'leak'];

// From the first screen, as it is for who has just opened it.
async function ask(page, question, k, look, problems) {
	await page.goto('about:blank');
	await page.goto(url);
	await page.evaluate(() => localStorage.clear());
	await page.waitForFunction(() => window.timeline?.entries.length > 20 && window.timeline.view.t1 > 8e9, null, { timeout: 60000 });
	const picture = async (name) => {
		// Pictures that somebody looks at have what is drawn once it is there, and what the page says of them.
		if (which === 'all' && await page.locator('canvas.rows').count()) await until('rows', () => painted(page, 'waiting'), (n) => n > 0.01).catch(() => {});
		if (which === 'all' && name === 'lock') await page.locator('.named-in li').first().waitFor().catch(() => {});
		if (which === 'all' && name === 'slow') await page.locator('.waits-on', { hasText: 'likely held by' }).first().waitFor().catch(() => {});
		if (which === 'all' && name === 'leak') await page.getByText('nobody who can still run refers').first().waitFor().catch(() => {});
		if (folder) await page.screenshot({ path: join(folder, `${name}-${look.width}-${look.theme}.png`) });
	};
	const hand = new Hand(page, picture);
	const said = await QUESTIONS[question](page, hand);
	assert(hand.steps <= STEPS_MOST, `${hand.steps} steps`);
	assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the screen');
	const found = await serious(page);
	assert(!found.length, `axe: ${found.join('; ')}`);
	assert(!problems.length, problems.splice(0).join('; '));
	await page.mouse.move(4, 4); // no tooltip over it
	await page.locator('.tooltip').waitFor({ state: 'hidden' });
	await picture(SHORT[k]);
	console.log(`ok: ${look.width} ${look.theme}: ${question}: ${hand.steps} step${hand.steps === 1 ? '' : 's'}: ${said.replace(/\s+/g, ' ').slice(0, 160)}`);
}

const looks = which === 'all' ? [390, 1280, 1440].flatMap((width) => ['light', 'dark'].map((theme) => ({ width, theme }))) :
	[{ width: 1280, theme: 'light' }, { width: 390, theme: 'dark', only: ['lock', 'leak'] }];
let failed = 0;
for (const look of looks) {
	const { page, problems, close } = await open({ ...look, height: look.width < 700 ? 844 : 800 });
	for (const [k, question] of Object.keys(QUESTIONS).entries())
		if (look.only?.includes(SHORT[k]) ?? true) try {
			await ask(page, question, k, look, problems);
		} catch (e) {
			failed++;
			problems.length = 0;
			console.log(`FAILED: ${look.width} ${look.theme}: ${question}: ${e.message.split('\n')[0]}`);
			if (folder) await page.screenshot({ path: join(folder, `failed-${SHORT[k]}-${look.width}-${look.theme}.png`) });
		}
	await close();
}
process.exit(failed ? 1 : 0);
