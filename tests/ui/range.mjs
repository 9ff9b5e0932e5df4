// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The selected time, on the made-up server and a recorded session: by reason, function, waker, go statement and
// caller, in pages, filtered; beside a time that was kept, also of a session; its flame graphs.
import { assert, until } from './browser.mjs';
import { ready, run, shot } from './page.mjs';

const url = process.argv[2];
const range = (page) => page.locator('.range');
const rows = (page) => page.locator('.range-scroll tbody tr');
const by = (page, name) => range(page).getByRole('group', { name: 'Selected time by' }).getByRole('button', { name, exact: true }).click();
// Of the server, for the time that is selected.
const asked = (page, what) => page.evaluate(async (what) => {
	const q = new URLSearchParams(location.hash.slice(1)), [from, to] = q.get('range').split('-').map(Number);
	const base = q.get('source') ? `/api/sessions/${q.get('source')}` : '/api/live';
	const { first_ns } = await (await fetch(`${base}/status?proc=0`)).json();
	return (await fetch(`${base}/${what.replace('?', `?proc=0&from=${BigInt(from) + BigInt(first_ns)}&to=${BigInt(to) + BigInt(first_ns)}&`)}`)).json();
}, what);
const inAddress = (page, what) => until('the address', () => page.evaluate(() => location.hash), (hash) => what.test(hash));

async function drag(page, from, to) {
	await page.keyboard.down('Shift');
	await page.mouse.move(from, 300);
	await page.mouse.down();
	await page.mouse.move(to, 320, { steps: 4 });
	await page.mouse.up();
	await page.keyboard.up('Shift');
	await range(page).waitFor();
}

// Names of rows as they stand, without what is beside them.
const keys = (page) => rows(page).locator('td.name').evaluateAll((cells) => cells.map((c) => c.title));

// What the page itself was answered last, by key: a live server that is asked once more has the waits in it that ended meanwhile.
const answers = new Map(), compared = []; // of two times, each whole
const heed = async (response) => {
	const { pathname, searchParams: q } = new URL(response.url());
	if (!pathname.endsWith('/range_by')) return;
	const table = await response.json().catch(() => null);
	if (table) answers.set(q.get('by'), { order: q.get('sort'), filter: q.get('filter'), from: q.get('from'), table });
	if (table && q.get('limit') === '5000') compared.push({ by: q.get('by'), sort: q.get('sort'), from: q.get('from'), table });
};
const shows = (page, what, key, right) => until(what, async () => ({ list: await keys(page), ...answers.get(key) }),
	({ list, order, table }) => table && right(table, order) && String(list) === String(table.rows.map((r) => r.key)));

async function opened(page) {
	page.on('response', heed);
	await page.goto(url);
	await ready(page);
	await page.keyboard.press('Space'); // what is followed moves under the mouse
}

const grouped = {
	async 'a time by each key is what the server has, in its order'(page) {
		await opened(page);
		await drag(page, 500, 900);
		await inAddress(page, /range=/);
		for (const [name, key] of [['Reason', 'reason'], ['Function', 'function'], ['Go statement', 'site'], ['Waker', 'waker'], ['Allocation', 'caller']]) {
			await by(page, name);
			await shows(page, name, key, (table) => table.total > 0);
			await shot(page, `range-${key}`);
		}
		await inAddress(page, /rby=caller/);
		await by(page, 'Reason');
	},
	async 'how many it says there were is how many lived then'(page) {
		// Of those that are kept; what ended before or began later has a row, and is not in it.
		await by(page, 'State');
		const rows = await page.evaluate(async () => (await fetch('/api/live/rows?since=0&after=0&limit=200000&proc=0')).json()).then((got) => got.rows), GOID = 0, FLAGS = 3, CREATED = 8, EXITED_AT = 9;
		assert(rows.every((r) => r[GOID] && (!(r[FLAGS] & 1) || r[EXITED_AT] >= r[CREATED])), 'the columns are others');
		for (const to of [880, 560, 508]) {
			const inHash = () => page.evaluate(() => /range=(\d+-\d+)/.exec(location.hash)?.[1] ?? ''), before = await inHash();
			await drag(page, 500, to);
			const first = await page.evaluate(async () => (await (await fetch('/api/live/status?proc=0')).json()).first_ns);
			const [from, end] = (await until('its time', inHash, (text) => text && text !== before)).split('-').map((t) => Number(t) + first);
			const lived = rows.filter((r) => r[CREATED] < end && (!(r[FLAGS] & 1) || r[EXITED_AT] >= from)).length;
			assert(lived < rows.length * 0.8, `${lived} of ${rows.length} lived then: nothing is shown by that`);
			const made = rows.filter((r) => r[CREATED] >= from && r[CREATED] < end && !(r[FLAGS] & 4)).length, ended = rows.filter((r) => r[FLAGS] & 1 && r[EXITED_AT] >= from && r[EXITED_AT] < end).length;
			const said = `${lived.toLocaleString('en')} goroutines, ${made.toLocaleString('en')} created, ${ended.toLocaleString('en')} exited`;
			await until(said, () => range(page).locator('.range-head').first().innerText(), (text) => text.includes(said));
		}
	},
	async 'sorted by another column'(page) {
		await by(page, 'Waker');
		await range(page).locator('th button', { hasText: 'Stays' }).click();
		await shows(page, 'by stays', 'waker', ({ rows }, order) => order === 'stays' && rows.length > 5 &&
			rows.every((r, i) => !i || r.stays <= rows[i - 1].stays));
	},
	async 'who was in something then'(page, problems) {
		const filter = page.getByLabel('Filter the selected time');
		await by(page, 'Function');
		const all = await asked(page, 'range_by?by=function');
		await filter.fill('was:chan');
		const offered = await page.locator('#range-filter-words option').evaluateAll((list) => list.map((o) => o.value));
		assert(offered.includes('was:channel'), `offered: ${offered}`);
		await filter.fill('was:channel');
		const { table: some } = await until('its sum', async () => ({ said: await range(page).innerText(), ...answers.get('function') }),
			({ said, filter: asks, table }) => asks === 'was:channel' && said.includes(`all: ${table.sum.goroutines.toLocaleString('en')} goroutines`));
		assert(some.sum.goroutines > 0 && some.sum.goroutines < all.sum.goroutines, 'all or none waited for a channel');
		await inAddress(page, /rfilter=was/);
		await filter.fill('was:channel colour:red');
		await range(page).getByText('no such key: "colour:red"').waitFor();
		await filter.fill('');
		// A reason leads to who was in it.
		await by(page, 'Reason');
		await rows(page).first().getByRole('button').click();
		await until('the filter', () => filter.inputValue(), (v) => v.startsWith('was:'));
		await filter.fill('');
		// The other filter is of no time.
		await page.getByLabel('Filter goroutines').fill('was:sync');
		await page.getByText('was: is of a selected time').waitFor();
		await page.getByLabel('Filter goroutines').fill('');
		// A machine that is slow asks about the word that is begun, too, and the server refuses that.
		problems.splice(0, problems.length, ...problems.filter((p) => !/400/.test(p) || /^400/.test(p) && !/was%3Achan&/.test(p)));
	},
	async 'beside another time, what differs most first'(page) {
		await range(page).getByRole('button', { name: 'Keep as B' }).click();
		await range(page).getByRole('button', { name: 'Kept as B' }).waitFor();
		await by(page, 'Function');
		const { from: kept } = await until('the time that is kept', () => answers.get('function'), (answer) => answer);
		await drag(page, 620, 700);
		await until('another time', () => page.evaluate(() => location.hash), (hash) => /range=/.test(hash));
		await range(page).getByRole('button', { name: 'Compare with B' }).click();
		await range(page).getByLabel('What is compared').selectOption('stays');
		const rate = range(page).getByLabel('a second');
		assert(await rate.isChecked(), 'times of different lengths are not compared by the second');
		await rate.uncheck();
		await inAddress(page, /b=live/);
		const side = (is) => compared.findLast((c) => c.by === 'function' && c.sort === 'stays' && (c.from === kept) === is)?.table;
		const of = (table, key) => table.rows.find((r) => r.key === key)?.stays ?? 0;
		const want = (a, b) => [...new Set([...a.rows, ...b.rows].map((r) => r.key))].map((key) => [key, of(a, key), of(b, key)])
			.sort((x, y) => Math.abs(y[1] - y[2]) - Math.abs(x[1] - x[2]) || (x[0] < y[0] ? -1 : 1));
		const got = () => rows(page).evaluateAll((list) => list.map((r) => [r.cells[0].title, ...[1, 2].map((i) => Number(r.cells[i].textContent.replace(/,/g, '')))]));
		await until('both values', async () => ({ list: await got(), a: side(false), b: side(true) }), ({ list, a, b }) => a && b && String(list) === String(want(a, b).slice(0, 50)));
		await shot(page, 'range-compare');
	},
	async 'a session beside it'(page) {
		await page.getByRole('tab', { name: 'Sessions' }).click();
		await page.getByRole('button', { name: 'Open', exact: true }).first().click();
		await ready(page);
		await drag(page, 500, 800);
		await by(page, 'Reason');
		await range(page).getByRole('button', { name: 'Compare with B' }).waitFor();
		if (await range(page).getByRole('button', { name: 'Compare with B' }).getAttribute('aria-pressed') !== 'true')
			await range(page).getByRole('button', { name: 'Compare with B' }).click();
		await range(page).getByText('of what is live').waitFor();
		await until('rows', () => rows(page).count(), (n) => n > 1);
		// Numbers of goroutines are of one run.
		await by(page, 'Waker');
		await range(page).getByText('wakers by their function').waitFor();
		await shot(page, 'range-compare-session');
		await range(page).getByLabel('Forget B').click();
		await range(page).getByText('‹ Page').or(range(page).getByText('; all: ')).first().waitFor();
	},
	async 'pages'(page) {
		await by(page, 'Allocation');
		const of = await asked(page, 'range_by?by=caller&limit=5000');
		assert(of.total > 50, `only ${of.total} rows: no second page`);
		await range(page).getByRole('button', { name: 'Page ›' }).click();
		await until('the second page', () => keys(page), (list) => String(list) === String(of.rows.slice(50, 100).map((r) => r.key)));
		await range(page).getByText(`51–${Math.min(100, of.total)} of ${of.total.toLocaleString('en')}`).waitFor();
		await range(page).getByRole('button', { name: '‹ Page' }).click();
		await until('the first page', () => keys(page), (list) => String(list) === String(of.rows.slice(0, 50).map((r) => r.key)));
	},
	async 'allocations of it as a flame graph, which says what it does not see'(page) {
		const answer = await asked(page, 'flame?by=alloc');
		await range(page).getByRole('button', { name: 'Allocation flame' }).click();
		await page.locator('.flame .note', { hasText: 'What this sees: events of new and make' }).waitFor();
		await page.locator('.flame .note', { hasText: `${answer.allocations.toLocaleString('en')} allocations` }).waitFor();
		await until('boxes', () => page.locator('.flame-box').count(), (n) => n > 3);
		await shot(page, 'flame-alloc');
		// A search finds what is outside of what it is zoomed to.
		const leaf = answer.root.children.flatMap((c) => c.children).find((c) => c.name !== answer.root.children[0].children[0].name);
		await page.locator('.flame-box').nth(1).click();
		await page.getByLabel('Search the graph').fill(leaf.name);
		await page.locator('.flame .found').waitFor();
		await page.getByLabel('Search the graph').press('Enter');
		await until('a match', () => page.locator('.flame-box.hit').count(), (n) => n > 0);
		await page.getByLabel('Search the graph').fill('');
		await page.getByRole('button', { name: 'All', exact: true }).click();
	},
	async 'no CPU samples, and why'(page) {
		await page.getByRole('group', { name: 'What' }).getByRole('button', { name: 'CPU' }).click();
		await page.locator('.flame .note', { hasText: 'No samples: a recorded session has no CPU samples' }).waitFor();
		await inAddress(page, /by=cpu/);
		await shot(page, 'flame-cpu-none');
	},
	async 'a row of a go statement says what its filter takes in'(page) {
		await page.getByRole('tab', { name: 'Timeline' }).click();
		await by(page, 'Go statement');
		const link = rows(page).getByRole('button').first(), made = (await link.textContent()).replace(/ \(.*$/, '');
		assert(/at any of its lines/.test(await link.getAttribute('title')), 'it promises one line');
		await link.click();
		await page.locator('.said', { hasText: `Made in ${made}, at any of its lines` }).waitFor();
		await until('the filter', () => page.getByLabel('Filter the selected time').inputValue(), (v) => v === `site:${made.replace(/ /g, '_')}`);
		await page.getByLabel('Filter the selected time').fill('');
	},
	async 'a link to all of it'(page) {
		await by(page, 'Go statement');
		await inAddress(page, /^(?!.*rfilter=).*rby=site/); // the filter of before is not in it any more
		const list = (await asked(page, 'range_by?by=site&limit=50')).rows.map((r) => r.key), address = await page.evaluate(() => location.href);
		await page.goto('about:blank');
		await page.goto(address);
		await until('the same', () => keys(page), (l) => String(l) === String(list));
	},
};

// What an address names and is not here is said in its place: no figures of anything else.
const GONE = '#source=11111111-1111-4111-8111-111111111177&t=500000000-4500000000&range=1000000000-4000000000&rby=function&g=7&pins=7&mark=2000000000:here';
const absent = (page) => page.locator('.absent');
const without = {
	async 'a link to a session that is gone shows nothing of another'(page, problems) {
		for (const [hash, text] of [[GONE, /Not here: session 11111111-1111-4111-8111-111111111177/], [GONE.replace(/source=[^&]*/, 'source=nosuch'), /Not here: session nosuch/],
			[GONE.replace(/source=[^&]*/, 'proc=7'), /Not here: process 7 of what is live/]]) {
			await page.goto('about:blank');
			const asked = [];
			const note = (r) => { if (/\/range|\/goroutines|\/tile/.test(r.url())) asked.push(r.url()); };
			page.on('request', note);
			await page.goto(`${url}${hash}`);
			await absent(page).filter({ hasText: text }).waitFor();
			assert(!await range(page).count() && !await page.locator('.panel').count(), 'its range or goroutine is shown of something else');
			await page.getByRole('tab', { name: 'Memory' }).click();
			await absent(page).filter({ hasText: text }).waitFor();
			page.off('request', note);
			assert(!asked.length, `asked: ${asked}`);
			assert((await page.evaluate(() => location.hash)).includes('range='), 'the address is no longer what was asked for');
		}
		await shot(page, 'absent');
		await page.goto('about:blank');
		await page.goto(`${url}${GONE}`);
		await absent(page).getByRole('button', { name: 'What is live' }).click();
		await ready(page);
		assert(!await absent(page).count() && !await range(page).count() && !await page.locator('.panel').count(), 'of the address something is left');
		await until('nothing of it in the address', () => page.evaluate(() => location.hash), (hash) => !/range=|mark=|[#&]g=|pins=|source=/.test(hash));
		const none = problems.filter((p) => /40[04]/.test(p));
		problems.splice(0, problems.length, ...problems.filter((p) => !none.includes(p)));
		assert(none.length, 'nobody asked for the session');
	},
	async 'a number that is too large for the page is left out, and it is said'(page, problems) {
		const asked = [], note = (r) => asked.push(r.url());
		page.on('request', note);
		for (const part of ['g=1e23', 'g=9007199254740993', 'range=1000-1e30', 'pins=1e23', 'mark=1e22:x']) {
			await page.goto('about:blank');
			await page.goto(`${url}#${part}`);
			await page.locator('.error', { hasText: `${part.split('=')[0]} of the address is left out: the number is above 2^53` }).waitFor();
			await ready(page);
			assert(!await page.locator('.panel').count() && !await range(page).count(), `${part} is shown`);
		}
		page.off('request', note);
		assert(!asked.some((u) => /e\+|900719925474099/.test(u)), `asked: ${asked.filter((u) => /e\+|9007199/.test(u))}`);
		assert(!problems.length, problems.join());
	},
	async 'a name that every object has is no order, and no group'(page) {
		await page.goto('about:blank');
		await page.goto(`${url}#sort=constructor&group=toString&desc=1`);
		await ready(page);
		await until('the order and the groups that there are', () => page.evaluate(() => location.hash), (hash) => !/sort=|group=/.test(hash));
	},
	async 'settings that the page does not have do not keep it from being shown'(page) {
		const config = await page.evaluate(async () => (await fetch('/api/config')).json());
		await page.route('**/api/config', (route) => route.fulfill({ json: { ...config, ui: { clock: 'constructor', edges: 'all', theme: 7, marks: false } } }));
		await page.evaluate(() => localStorage.setItem('xgotopfs.look', JSON.stringify({ clock: 'noon', rowHeight: 0, toString: 'x', labels: 180 })));
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
		assert(await page.evaluate(() => window.timeline.rowHeight) === 20, 'a height that no row can have');
		assert(await page.getByLabel('Clock').inputValue() === 'since', 'a clock that there is not');
		assert(await page.evaluate(() => window.timeline.labels) === 180, 'what is a setting is not kept');
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		await page.evaluate(() => localStorage.clear());
	},
	async 'why the selected time is not told is said'(page, problems) {
		await opened(page);
		await page.route(/\/api\/live\/range/, (route) => route.fulfill({ status: 400, json: { error: 'it is refused here' } }));
		await drag(page, 500, 900);
		await range(page).locator('.range-head', { hasText: 'it is refused here' }).waitFor();
		await by(page, 'Function');
		await range(page).locator('.note', { hasText: 'it is refused here' }).waitFor();
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		await by(page, 'Reason');
		await until('rows', () => rows(page).count(), (n) => n > 0);
		problems.splice(0, problems.length, ...problems.filter((p) => !/400/.test(p)));
	},
};

// It fits, and all of it can be reached.
const fits = (width, height) => ({
	async [`it fits: ${width}, both themes`](page) {
		await page.setViewportSize({ width, height });
		const both = async (name) => {
			for (const theme of ['dark', 'light']) {
				await page.emulateMedia({ colorScheme: theme });
				await shot(page, `${name}-${width}-${theme}`);
			}
		};
		await page.goto('about:blank');
		await opened(page);
		const beyond = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
		await drag(page, width * 0.65, width * 0.9);
		for (const [button, key] of [['Function', 'function'], ['Reason', 'reason']]) {
			await by(page, button);
			await until('rows', () => rows(page).count(), (n) => n > 0);
			assert(await beyond() <= 0, `the page is ${await beyond()} px too wide`);
			await both(`range-${key}`);
		}
		await range(page).getByRole('button', { name: 'Allocation flame' }).click();
		await until('boxes', () => page.locator('.flame-box').count(), (n) => n > 1);
		assert(await beyond() <= 0, 'the flame graph is too wide');
		await both('flame-alloc');
	},
});

process.exit(await run({ height: 900 }, { ...grouped, ...without, ...fits(390, 844), ...fits(1440, 900), ...fits(1280, 800) }) ? 1 : 0);
