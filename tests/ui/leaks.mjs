// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The leak view's graph of who waits for what, and what the panel says of a wait, on made-up answers:
// node leaks.mjs URL [FOLDER for screenshots]
import { assert, until } from './browser.mjs';
import { ready, run, shot } from './page.mjs';

const [url] = process.argv.slice(2);
const shotName = { end: '' };
const tab = (page, name) => page.getByRole('tab', { name, exact: true }).click();
const mutex = (n) => ({ waits_on: `Mutex 0xc00001234${n} locked waiters=1`, object: `0xc00001234${n}` });
const member = (goid, more) => ({ goid, culprit: false, proven: true, function: 'main.worker', created_at: 'main.main (/src/main.go:12)',
	wait_reason: 'sync.Mutex.Lock', age_ns: 5e9, ...more });
const REPORT = {
	leaked: 6, suspect: 0, unconfirmed: 0, candidates: 9, passes: 10, as_of_unix_ns: 0, under_way: false, more_groups: 0,
	growing: [{ function: 'main.subscribe', then: 98, now: 412, over_ns: 60e9, goid: 77 }],
	groups: [{
		level: 'leaked', kind: 'cycle', meaning: 'each waits for what the next one likely holds', goroutines: 6, alike: 1, keeps_waiting: 4,
		oldest_age_ns: 5e9, oldest_age_at_least: false, more_members: 2, stack: 'goroutine 1 [sync.Mutex.Lock]:\nmain.worker()',
		members: [
			member(1, { culprit: true, marked_by_runtime: true, ...mutex(1), likely_holder: 2, evidence: 'defers sync.(*Mutex).Unlock in main.b (/src/main.go:30)' }),
			member(2, { culprit: true, ...mutex(2), likely_holder: 1, evidence: 'defers sync.(*Mutex).Unlock in main.a (/src/main.go:20)' }),
			member(3, { ...mutex(1), likely_holder: 2, evidence: 'defers sync.(*Mutex).Unlock in main.b (/src/main.go:30)' }),
			member(4, { ...mutex(1), likely_holder: 2, evidence: 'defers sync.(*Mutex).Unlock in main.b (/src/main.go:30)' }),
		],
	}],
};
const WAITS = [{ ...{ object: '0xc000012341', kind: 'Mutex', wait: 'lock', type: null, len: null, cap: null, state: 'locked waiters=3', n_waiters: 3 },
	waiters: [{ goid: 1, wait: 'lock' }, { goid: 3, wait: 'lock' }, { goid: 4, wait: 'lock' }],
	likely_holders: [{ goid: 2, evidence: 'deferred', waiter: false, call: 'sync.(*Mutex).Unlock' }],
	evidence: '2 defers sync.(*Mutex).Unlock in main.b (/src/main.go:30)' }];

async function answers(page) {
	await page.route(/\/api\/live\/leaks(\?|$)/, (route) => route.fulfill({ json: REPORT }));
	await page.route(/\/api\/live\/goroutines\/1\/waits/, (route) => route.fulfill({ json: WAITS }));
	// What the server says of it, and that it waits.
	await page.addInitScript(() => {
		const real = window.fetch;
		window.fetch = async (path, init) => {
			const answer = await real(path, init);
			return /\/goroutines\/1(\?|$)/.test(String(path)) ? Response.json({ ...await answer.json(), state: 'waiting',
				wait_reason: 'sync.Mutex.Lock', exited: false, waits_on: ['Mutex 0xc000012341 lock'] }) : answer;
		};
	});
}

// No node over another, none out of its box, all of it on the screen.
async function layout(page, where) {
	const boxes = await page.locator(`${where} .wait-graph .node`).evaluateAll((all) => all.map((n) => n.getBoundingClientRect()).map((r) => [r.left, r.top, r.right, r.bottom]));
	const width = page.viewportSize().width;
	boxes.forEach(([l, t, r, b], i) => {
		assert(l >= 0 && r <= width && r - l > 60, `node ${i} from ${l} to ${r} of ${width}`);
		boxes.slice(i + 1).forEach(([l2, t2, r2, b2]) => assert(r <= l2 || r2 <= l || b <= t2 || b2 <= t, `nodes lie over each other: ${boxes}`));
	});
	assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the screen');
}

// The group's graph, unless it is there.
async function openGraph(page) {
	if (await page.locator('.leak-group .wait-graph').count()) return;
	await answers(page);
	await page.goto(url);
	await ready(page);
	await tab(page, 'Leaks');
	await page.locator('.leak-group summary').click();
	await page.locator('.leak-group .wait-graph').first().waitFor();
}

const graph = {
	async 'a group is a graph'(page) {
		await openGraph(page);
		const nodes = await until('its nodes', () => page.locator('.leak-group .wait-graph .node').allTextContents(), (all) => all.length === 5);
		// Two in the cycle, two who wait alike as one, two locks.
		assert(nodes.filter((n) => n.includes('main.worker')).length === 3 && nodes.some((n) => n.startsWith('3 and 1 alike')), nodes.join('; '));
		assert(nodes.filter((n) => n.startsWith('Mutex locked')).length === 2, nodes.join('; '));
		assert(await page.locator('.leak-group .wait-graph .waits').count() === 3, 'waits');
		assert(await page.locator('.leak-group .wait-graph .holds').count() === 2, 'holds');
		await page.locator('.leak-group figcaption', { hasText: '2 more are not drawn' }).waitFor();
		await layout(page, '.leak-group');
		await shot(page, `leak-graph-${shotName.end}`);
	},
	async 'who is marked by the program itself says so, and who only grows is a suspect'(page) {
		await openGraph(page);
		const marked = page.locator('.leak-group tbody tr', { hasText: 'marked by its own profile' });
		assert(await marked.count() === 1 && (await marked.locator('td').nth(1).textContent()) === '1', 'who is marked');
		await page.locator('.leak-groups .bar', { hasText: '0 suspect' }).getByText('1 growing', { exact: true }).waitFor();
		const line = page.locator('.leak-groups .bar', { hasText: 'suspect growing' });
		const text = await line.innerText();
		for (const want of ['main.subscribe', '98 → 412', 'by their number alone', '77']) assert(text.includes(want), `${want} is not in: ${text}`);
		assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the screen');
	},
	async 'a line has its evidence'(page) {
		await openGraph(page);
		const held = page.locator('.leak-group .wait-graph .holds').first();
		assert((await held.locator('title').textContent()).includes('goroutine 2 likely holds Mutex 0xc000012341'), 'its title');
		const { x, y } = await held.locator('.hit').evaluate((p) => {
			const at = p.getPointAtLength(p.getTotalLength() / 6), to = p.getScreenCTM();
			return { x: at.x + to.e, y: at.y + to.f };
		});
		await page.mouse.move(x, y);
		await page.locator('.leak-group figcaption', { hasText: 'defers sync.(*Mutex).Unlock in main.b (/src/main.go:30)' }).waitFor();
		await until('both its ends are marked', () => page.locator('.leak-group .node.lit').count(), (n) => n === 2, 5);
		await shot(page, `leak-evidence-${shotName.end}`);
	},
	async 'a click leads to the goroutine, which says what it waits on'(page) {
		await openGraph(page);
		await page.locator('.leak-group .node', { hasText: /^1/ }).first().click();
		await until('the panel', () => page.locator('.panel h2').textContent(), (t) => t === 'Goroutine 1');
		const part = page.locator('.panel .waits-on');
		await part.locator('text=Mutex').first().waitFor();
		const text = await part.textContent();
		for (const want of ['0xc000012341', 'locked waiters=3', 'goroutine 2', 'defers sync.(*Mutex).Unlock in main.b', 'Also waiting', '3', '4'])
			assert(text.includes(want), `${want} is not in: ${text}`);
		await layout(page, '.panel');
		await part.scrollIntoViewIfNeeded();
		await shot(page, `panel-waits-${shotName.end}`);
		await part.getByRole('button', { name: 'goroutine 2' }).first().click();
		await until('who holds it', () => page.locator('.panel h2').textContent(), (t) => t === 'Goroutine 2');
	},
	async 'what it waited on stands, with its age, while it moves under the look'(page) {
		let moved = false, looks = 0;
		await page.route(/\/api\/live\/goroutines\/1\/waits/, (route) => {
			looks += moved ? 1 : 0;
			return route.fulfill({ json: moved ? WAITS.map((row) => ({ ...row, object: null, kind: null, likely_holders: null, evidence: null })) : WAITS });
		});
		await page.locator('.leak-group .node', { hasText: /^1/ }).first().click();
		const part = page.locator('.panel section', { hasText: 'Waits on' });
		await part.getByText('0xc000012341').first().waitFor();
		await part.getByText(/as of (now|[\d.]+ ms ago)/).waitFor();
		moved = true;
		await until('looks', () => looks, (n) => n > 2);
		await part.getByText(/as of [\d.]+ s ago/).waitFor();
		assert((await part.textContent()).includes('0xc000012341') && !(await part.textContent()).includes('It moved'), await part.textContent());
		moved = false;
		await part.getByText(/as of (now|[\d.]+ ms ago)/).waitFor();
	},
	async 'the holder that a problem leads to says why it is thought to be one'(page) {
		const text = '50 sync.Mutex.Lock on Mutex 0xc000012341; 2 likely holds it: it defers sync.(*Mutex).Unlock in main.b (/src/main.go:30)';
		await page.route(/\/api\/live\/problems/, (route) => route.fulfill({ json: { as_of_unix_ns: 0, watched_ns: 1e9, looked_for: [],
			problems: [{ kind: 'convoy', severity: 'critical', text, function: 'main.worker', see: ['goroutines/2/stack'], goids: [1, 3, 4] }] } }));
		await tab(page, 'Timeline');
		await page.locator('.insights-line').filter({ hasText: 'convoy' }).click();
		await page.locator('.insights-list li button').first().click();
		await until('its panel', () => page.locator('.panel h2').textContent().catch(() => ''), (t) => t === 'Goroutine 2');
		await page.locator('.panel section', { hasText: 'Problems it is in' }).filter({ hasText: text }).waitFor();
		await shot(page, `holder-${shotName.end}`);
		await page.locator('.panel-head').getByLabel('Close').click();
	},
	async 'a panel stays with the timeline, and leaves the tables their room'(page) {
		await tab(page, 'Timeline');
		await ready(page);
		await page.keyboard.press('ArrowDown');
		const title = await until('a panel', () => page.locator('.panel h2').textContent().catch(() => ''), (t) => t);
		for (const view of ['Leaks', 'Memory']) {
			await tab(page, view);
			await page.locator('.panel').waitFor({ state: 'detached' });
			await shot(page, `no-panel-${view}-${shotName.end}`);
		}
		await page.locator('.tile').first().click();
		await page.locator('.panel').waitFor();
		await page.locator('.panel-head').getByLabel('Close').click();
		await tab(page, 'Timeline');
		await until('the panel is there again', () => page.locator('.panel h2').textContent().catch(() => ''), (t) => t === title);
		await page.locator('.panel-head').getByLabel('Close').click();
	},
	async 'names of packages as long as they are outside leave the tables their room'(page) {
		const pkg = 'github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy';
		const site = (n) => ({ function: `${pkg}.(*metricsUpstreamsHealthyUpdater).Init.func${n}`, site: `${pkg}.(*metricsUpstreamsHealthyUpdater).Init (${pkg}/metrics.go:4${n})`,
			live: n, waiting: n, exited_retained: 0, created_last_minute: 0, exited_last_minute: 0, oldest_age_ns: 5e9, oldest_age_at_least: true,
			last_minute_at_least: false, growing: false, wait_reason: 'chan receive (nil chan)', wait_reason_count: n, alloc_bytes: 62.9e6, sample: [31734, 33010, 35636] });
		await page.route(/\/api\/live\/sites(\?|$)/, (route) => route.fulfill({ json: [1, 2, 3].map(site) }));
		const size = page.viewportSize();
		for (const width of size.width > 700 ? [1280, 1101, 1000, 800, 701] : [size.width]) {
			await page.setViewportSize({ width, height: 800 });
			await tab(page, 'Leaks');
			await page.locator('.leaks table.wide td', { hasText: 'HealthyUpdater).Init.func3' }).first().waitFor();
			const [over, highest] = await page.evaluate(() => { const p = document.querySelector('.page.leaks'), rows = [...p.querySelectorAll('table.wide tbody tr')].slice(-3);
				return [p.scrollWidth - p.clientWidth, Math.max(...rows.map((r) => r.offsetHeight))]; });
			assert(over <= 0 || width <= 700, `${width}: the table is ${over} px wider than the page`);
			assert(highest <= (width > 1200 ? 100 : width > 1100 ? 150 : width > 700 ? 300 : 400), `${width}: a row is ${highest} px high`);
			for (const label of width > 700 ? ['LOST', 'AUDIT'] : []) {
				const box = await page.locator('.metrics .metric', { hasText: label }).boundingBox();
				const edge = await page.locator('.metrics').evaluate((m) => m.getBoundingClientRect().right);
				assert(box && box.x + box.width <= edge + 3, `${width}: ${label} is to be scrolled to`);
			}
			await tab(page, 'Memory');
			await page.locator('.tile').first().waitFor();
			const cut = await page.locator('.tile-kinds').evaluateAll((all) => all.filter((t) => t.scrollWidth > t.clientWidth).map((t) => t.textContent));
			assert(!cut.length, `${width}: figures are cut: ${cut}`);
			await tab(page, 'Leaks');
		}
		await page.unroute(/\/api\/live\/sites(\?|$)/);
		await page.setViewportSize(size);
	},
	async 'whether the picture is whole is in sight'(page) {
		const whole = page.locator('.metrics .metric');
		await until('its figures', () => whole.count(), (n) => n >= 2);
		for (const box of await whole.evaluateAll((all) => all.map((m) => m.getBoundingClientRect()).map((r) => [r.left, r.right])))
			assert(box[0] >= 0 && box[1] <= page.viewportSize().width, `beyond the edge: ${box}`);
		await whole.first().click();
		await page.locator('dialog', { hasText: 'Is the picture whole?' }).waitFor();
		await page.keyboard.press('Escape');
		await page.locator('dialog').waitFor({ state: 'detached' });
	},
};

let failed = 0;
// All four are for who looks at the pictures.
const looks = [{}, { width: 390, height: 844, theme: 'dark' }, { theme: 'dark' }, { width: 390, height: 844 }];
for (const options of process.argv[3] ? looks : looks.slice(0, 2)) {
	shotName.end = `${options.theme ?? 'light'}-${options.width ?? 1280}`;
	failed += await run(options, graph);
}
process.exit(failed ? 1 : 0);
