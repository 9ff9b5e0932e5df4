// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the UI answers, on the made-up server that loses events: to a key, to a filter that is begun, what is wrong, whether
// its picture is whole, what took a goroutine's time: node answers.mjs URL [FOLDER for screenshots]
import { serious } from './axe.mjs';
import { assert, until } from './browser.mjs';
import { ask, nanoseconds, ready, run, selected, shot, view } from './page.mjs';

const [url] = process.argv.slice(2);

// It is there for two seconds: what it said is kept, for a machine that looks later.
const keepSaid = (page) => page.evaluate(() => new MutationObserver(() => { window.said = document.querySelector('.said')?.textContent || window.said; })
	.observe(document.body, { subtree: true, childList: true, characterData: true }));

const steps = {
	async 'rows appear'(page) {
		await page.goto(url);
		await ready(page);
	},
	async 'each key says what it did'(page) {
		await keepSaid(page);
		await page.locator('canvas.rows').focus();
		for (const [key, text] of [['p', 'No goroutine is chosen'], ['.', 'No goroutine is chosen'], ['c', 'Rows: compact'], ['c', 'Rows: normal'], ['e', /^Arrows: all/], ['e', 'Arrows: none'], ['e', /^Arrows: of/], ['t', 'Clock: local'],
			['t', 'Clock: UTC'], ['t', 'Clock: since start'], [' ', 'Held'], [' ', 'Goes on'], ['Control+Shift+Z', 'There is nothing to go forth to']]) {
			await page.keyboard.press(key);
			await until(`"${key}" says`, () => page.evaluate(() => window.said ?? ''), (t) => (typeof text === 'string' ? t.includes(text) : text.test(t)));
		}
	},
	async 'a key that has nowhere to go says so'(page) {
		// As it is at an edge; frames of what follows do not move it meanwhile.
		const at = (place) => page.evaluate((place) => {
			document.querySelector('[title="Follow the present (L)"][aria-pressed=true]')?.click();
			Object.assign(window.timeline.view, place);
			window.said = '';
		}, place);
		const end = await page.evaluate(() => window.timeline.view.end);
		for (const [key, text, place] of [['Home', 'The first rows', { scrollY: 0 }], ['PageUp', 'The first rows', { scrollY: 0 }], ['End', 'The last rows', { scrollY: 1e9 }], ['PageDown', 'The last rows', { scrollY: 1e9 }],
			['w', 'no closer', { scale: 1, t0: 1e9 }], ['s', 'no wider', { scale: 1e13 / await page.evaluate(() => window.timeline.view.width), t0: 0 }], ['a', 'nothing earlier', { scale: 1e6, t0: -1e15 }], ['d', 'nothing later', { scale: 1e6, t0: end + 1e15 }]]) {
			await until(`"${key}" says`, async () => {
				await at(place);
				// The first one may come to the edge.
				for (let i = 0; i < 2; i++) await page.keyboard.press(key);
				return page.evaluate(() => window.said ?? '');
			}, (t) => t.includes(text));
		}
		await at({ scale: 8e6, t0: 0, scrollY: 0 });
		const first = await page.evaluate(() => window.timeline.entries[0].row?.goid ?? 0);
		if (first) {
			await ask(page, first);
			await until('it is chosen', () => selected(page), (t) => t === `Goroutine ${first}`);
			await page.keyboard.press('ArrowUp');
			await until('"ArrowUp" says', () => page.evaluate(() => window.said), (t) => t === 'No row is above');
			await page.locator('.panel-head').getByLabel('Close').click();
		}
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('l');
	},
	async 'a filter is completed'(page) {
		const offered = () => page.locator('#filter-words option').evaluateAll((list) => list.map((o) => o.value));
		const box = page.getByLabel('Filter goroutines');
		for (const [text, wanted] of [['st', 'state:'], ['-wait:sy', '-wait:sync'], ['age>1s state:running,wai', 'age>1s state:running,waiting'], ['func:leaky', 'func:main.leakySubscriber'], ['flag:li', 'flag:live'], ['ag', 'age>']]) {
			await box.fill(text);
			await until(text, offered, (list) => list.includes(wanted));
		}
		await box.fill('func:main.* stat:waiting');
		await page.locator('.filter-error', { hasText: '"stat:waiting"' }).waitFor();
		await box.fill('');
		await until('the address', () => page.evaluate(() => location.hash), (h) => !h.includes('filter='));
	},
	async 'what is wrong stands in a line, and a click goes there'(page) {
		const answer = { watched_ns: 6e10, problems: [{ kind: 'convoy', severity: 'critical', text: '50 waited 2 s for one mutex, likely holder 11', function: 'main.worker', see: ['waits'], goids: [11, 12] },
			{ kind: 'lost', severity: 'notice', text: '471 events were lost', function: '', see: ['losses'], goids: [] }], looked_for: [{ kind: 'convoy', threshold: '8 that wait', seen: true, why_not: '' }, { kind: 'audit', threshold: '', seen: false, why_not: 'nobody audits' }] };
		const goids = await page.evaluate(() => window.timeline.entries.filter((e) => e.row?.func === 'main.worker').map((e) => e.row.goid).slice(0, 2));
		answer.problems[0].goids = goids;
		await page.route('**/problems?*', (route) => route.fulfill({ json: answer }));
		await page.reload();
		await ready(page);
		const line = page.locator('.insights-line');
		await until('the worst', () => line.textContent(), (t) => /2 problems.*convoy: 50 waited 2 s/.test(t));
		const y = await page.evaluate(() => window.timeline.canvas.getBoundingClientRect().y);
		await line.click();
		await page.locator('.insights-list li button').nth(1).waitFor();
		assert(await page.evaluate(() => window.timeline.canvas.getBoundingClientRect().y) === y, 'the list moves the rows');
		await shot(page, 'insights');
		await page.locator('.insights-list li button').first().click();
		await until('the goroutine', () => selected(page), (t) => t === `Goroutine ${goids[0]}`);
		assert(await page.getByLabel('Filter goroutines').inputValue() === 'func:main.worker', 'not those alone');
		await line.click();
		await page.locator('.insights-list li button').nth(1).click();
		await page.locator('.overview').waitFor();
		await page.getByRole('tab', { name: 'Timeline' }).click();
		await page.getByLabel('Filter goroutines').fill('');
		await page.locator('.panel-head').getByLabel('Close').click();
	},
	async 'by keys alone: to a problem, into the goroutine, and back'(page) {
		const focus = (what) => until(`the focus on ${what}`, () => page.evaluate((what) => !!document.activeElement?.matches(what), what), (is) => is);
		const name = await until('two goroutines', () => page.evaluate(() => window.timeline.entries.find((e) => e.row?.func === 'main.worker')?.row.goid), (goid) => goid);
		await page.locator('.insights-line').focus();
		await page.keyboard.press('Enter');
		await page.locator('.insights-list').waitFor();
		await page.keyboard.press('Tab');
		await page.keyboard.press('Escape');
		await page.locator('.insights-list').waitFor({ state: 'detached' });
		await focus('.insights-line');
		await page.keyboard.press('Enter');
		await page.locator('.insights-list').waitFor();
		await page.keyboard.press('Tab');
		await page.keyboard.press('Enter');
		await until('the goroutine', () => selected(page), (t) => t === `Goroutine ${name}`);
		await focus('.panel h2');
		await page.keyboard.press('Escape');
		await page.locator('.panel').waitFor({ state: 'detached' });
		await focus('.insights-line');
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		await page.getByLabel('Filter goroutines').fill('');
		await page.locator('canvas.rows').focus();
	},
	async 'whether the picture is whole stands in one place'(page) {
		for (const open of [() => page.keyboard.press('i'), () => page.locator('.metric', { hasText: 'LOST' }).click()]) {
			const lost = await page.evaluate(async () => Object.values((await (await fetch('/api/live/status')).json()).lost).reduce((a, b) => a + b, 0));
			await open();
			const box = page.getByRole('dialog', { name: 'Is the picture whole?' });
			const told = (text) => Number(/([\d,]+) lost, beside/.exec(text)?.[1].replace(/,/g, '') ?? -1);
			await until('what was lost', () => box.innerText(), (t) => told(t) >= Math.max(1, lost) && /Events against memory/.test(t) && /Not whole: .*events were lost/.test(t));
			const found = await serious(page);
			assert(!found.length, `axe: ${found.join('; ')}`);
			await shot(page, 'whole');
			await page.keyboard.press('Escape');
			await box.waitFor({ state: 'detached' });
		}
	},
	async "a goroutine's longest stays are in its panel, as the server has them"(page) {
		await ask(page, '7');
		await page.locator('.slow tr').nth(3).waitFor();
		const place = await view(page);
		// What it goes on with gets longer: read as it is clicked.
		const lengths = (await page.locator('.slow tr').first().evaluate((tr) => {
			const all = [...document.querySelectorAll('.slow td.num')].map((td) => td.textContent);
			tr.click();
			return all;
		})).map(nanoseconds);
		assert(lengths.every((v, i) => v > 0 && (!i || v <= lengths[i - 1])), `not the longest first: ${lengths}`);
		await until('it is shown', () => view(page), (v) => v.scale !== place.scale && Math.abs((v.t1 - v.t0) / lengths[0] - 5 / 3) < 0.1);
		await page.locator('.panel-head').getByLabel('Close').click();
		await page.getByRole('button', { name: 'Follow', exact: true }).click();
	},
	async 'why there is no answer to who ran instead, or why it waited, stands there'(page) {
		const why = 'no probe for events is attached, -probes none: there are no events';
		await page.route(/\/goroutines\/7\/(ran_instead|blame)/, (route) => route.fulfill({ json: { goid: 7, why, stay: null } }));
		await ask(page, '7');
		for (const [key, none] of [['r', 'wait for a CPU'], ['b', 'wait']]) {
			await until('7 is chosen', () => selected(page), (t) => t === 'Goroutine 7');
			await page.keyboard.press(key);
			await until(key, () => page.locator('.why p').first().textContent().catch(() => ''), (t) => t.startsWith(`No ${none} `) && t.includes(` is kept: ${why}.`));
		}
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		await page.locator('.panel-head').getByLabel('Close').click();
	},
	async 'a stay is shown on the timeline from another view, too'(page) {
		await page.getByRole('tab', { name: 'Memory' }).click();
		await page.locator('.tile').first().click();
		await page.locator('.slow tr').first().waitFor();
		// What it goes on with gets longer: read as it is clicked.
		const [length, goid] = await page.locator('.slow tr').first().evaluate((tr) => { tr.click(); return [tr.querySelector('td.num').textContent, document.querySelector('.panel h2').textContent]; });
		await ready(page);
		await until('its time', () => view(page), (v) => Math.abs((v.t1 - v.t0) / nanoseconds(length) - 5 / 3) < 0.1);
		assert(await selected(page) === goid, 'its panel is gone');
		await page.locator('.panel-head').getByLabel('Close').click();
		await page.getByRole('button', { name: 'Follow', exact: true }).click();
	},
	async 'more marks than a link keeps are refused, and it is said'(page) {
		const marks = (n) => Array.from({ length: n }, (_, i) => `mark=${(i + 1) * 1e6}:m${i}`).join('&');
		await page.goto('about:blank');
		await page.goto(`${url}#${marks(50)}`);
		await ready(page);
		const kept = () => page.evaluate(() => (location.hash.match(/mark=/g) ?? []).length);
		await until('50 marks', kept, (n) => n === 50);
		await page.locator('canvas.rows').focus();
		await keepSaid(page);
		await page.keyboard.press('m');
		await page.keyboard.type('one more');
		await page.keyboard.press('Enter');
		await until('it says', () => page.evaluate(() => window.said ?? ''), (t) => t.includes('50 marks'));
		assert(await kept() === 50, 'one was dropped for it');
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
	},
	async 'goroutines whose numbers the page cannot tell apart have a row each, and spoil no other'(page, problems) {
		// As the server tells numbers above 2^53; of the made-up server's own requests none has such a number, whatever it becomes.
		const wrong = [], note = (r) => { if (/900719925474099|3689348814741910|e\+/.test(r.url())) wrong.push(r.url()); };
		page.on('request', note);
		const got = await page.evaluate(async () => (await fetch('/api/live/rows?since=0&after=0&limit=1000&proc=0')).json());
		for (const row of got.rows) row[0] = { 7: '9007199254740993', 9: '9007199254740995' }[row[0]] ?? row[0];
		await page.route(/\/rows\?/, (route) => route.fulfill({ json: /numbers=1/.test(route.request().url()) ? { now: got.now, kept: got.kept, goids: got.rows.map((row) => BigInt(row[0])).sort((a, b) => (a < b ? -1 : 1)).join() } : got }));
		await page.goto('about:blank');
		await page.goto(`${url}#sort=id&desc=1`);
		await ready(page);
		await until('their rows say why they have nothing', () => page.evaluate(() => window.timeline.said), (said) => said.filter((text) => /not drawn: the number is above 2\^53/.test(text)).length === 2);
		const drawn = () => page.evaluate(() => window.timeline.entries.filter((e) => e.row && window.timeline.tileAt(e.row.goid, window.timeline.view.t1 - (window.timeline.view.t1 - window.timeline.view.t0) / 4)).length);
		await until('the others are drawn', drawn, (n) => n > 3);
		await page.locator('canvas.rows').focus();
		await page.keyboard.press('ArrowDown');
		await until('its panel', () => selected(page), (t) => t === 'Goroutine 9007199254740995');
		await page.keyboard.press('ArrowDown');
		await until('and the other one', () => selected(page), (t) => t === 'Goroutine 9007199254740993');
		await page.locator('.panel', { hasText: 'the number is above 2^53' }).waitFor();
		const box = await page.locator('.panel-head').getByLabel('Close').boundingBox();
		assert(box.x + box.width <= 1280, `its close button is at ${box.x}`);
		await page.locator('.panel-head').getByLabel('Close').click();
		await shot(page, 'above-2-53');
		page.off('request', note);
		assert(!wrong.length && !(await page.evaluate(() => location.hash)).includes('g='), `asked: ${wrong}`);
		assert(!problems.length, problems.join());
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
	},
	async 'a link that is put into the open page is gone to'(page) {
		const id = await page.evaluate(async () => (await (await fetch('/api/sessions')).json())[0].id);
		const hash = () => page.evaluate(() => location.hash).catch(() => ''); // while it goes
		for (const [to, is] of [[`#source=${id}&view=memory`, /Recorded/], ['#view=memory&filter=func%3Amain.*', null], [`#source=${id}`, /Recorded/]]) {
			await page.evaluate((to) => { location.hash = to; }, to);
			await until(`${to}: the source`, () => page.locator('header .target').innerText().catch(() => ''), (text) => /\w/.test(text) && /Recorded/.test(text) === !!is);
			await until(`${to}: the address stays`, hash, (h) => h.includes('source=') === !!is && h.includes('view=memory') === to.includes('view=memory') && h.includes('filter=') === to.includes('filter='));
		}
		await ready(page);
		// What it is of stands on one line, within the head; where that has one line only, in its middle.
		for (const width of [900, 1100, 1280, 1440]) {
			await page.setViewportSize({ width, height: 800 });
			const bad = () => page.evaluate((one) => {
				const head = document.querySelector('header').getBoundingClientRect(), list = [...document.querySelectorAll('header .chip, header .one b')].map((e) => [e.textContent, e.getBoundingClientRect()]);
				const line = one ? head.top + head.bottom : list[0][1].top + list[0][1].bottom;
				return list.filter(([, b]) => b.top < head.top || b.bottom > head.bottom || Math.abs((b.top + b.bottom) - line) > 8).map(([text, b]) => `${text} at ${b.top} to ${b.bottom} of ${head.top} to ${head.bottom}`);
			}, width > 1100);
			await until(`the head at ${width}`, bad, (list) => !list.length, 10);
			await shot(page, `head-${width}`);
		}
		await page.setViewportSize({ width: 640, height: 700 });
		await until('the count of rows has its room', () => page.evaluate(() => document.querySelector('.clock').getBoundingClientRect().left - window.timeline.canvas.getBoundingClientRect().left), (left) => left > 100);
		await shot(page, 'head-640');
		await page.setViewportSize({ width: 1280, height: 800 });
	},
	async 'of a recording of which nothing could be read nothing is said to be well'(page) {
		const id = await page.evaluate(async () => (await (await fetch('/api/sessions')).json())[0].id);
		const losses = [{ way: 'torn', count: 500, unit: 'bytes', of: 'data', what: 'of the recorded session could not be read', helps: '' }, { way: 'unread', count: 204473, unit: 'events', of: 'data', what: 'that the recorded session counts are not in what was read', helps: '' }];
		const got = await until('it is read', () => page.evaluate(async (id) => (await fetch(`/api/sessions/${id}/status?proc=0`)).json(), id), (status) => status.state === 'ready');
		await page.route(/\/sessions\/[^/]*\/status\?/, (route) => route.fulfill({ json: { ...got, now_ns: 0, last_event_ns: 0, events: Object.fromEntries(Object.keys(got.events).map((k) => [k, 0])), states: {}, live_total: 0, losses } }));
		await page.route(/\/sessions\/[^/]*\/rows\?/, (route) => route.fulfill({ json: { now: 0, kept: 0, all: true, more: false, rows: [], texts: [''], goids: '' } }));
		await page.route(/\/sessions\/[^/]*\/audit\?/, (route) => route.fulfill({ json: { audit: 'finished: events and memory told the same to the end', state: 'finished', meaning: [], difference: [] } }));
		await page.goto('about:blank');
		await page.goto(`${url}#source=${id}`);
		await page.locator('.empty', { hasText: 'Nothing of the recording could be read: 500 bytes of the recorded session could not be read; 204,473 events' }).waitFor();
		await page.locator('.metrics', { hasText: 'LENGTH nothing' }).waitFor();
		await page.locator('.replay', { hasText: 'nothing' }).waitFor();
		assert(!/-\d/.test(await page.locator('.replay').innerText()), 'the player is at a negative time');
		await page.keyboard.press('i');
		const box = page.getByRole('dialog', { name: 'Is the picture whole?' });
		await until('all of it', () => box.innerText(), (t) => /while it was recorded: finished/.test(t) && /Kept\s+nothing/.test(t));
		assert(!(await box.innerText()).includes('✓'), `a tick: ${await box.innerText()}`);
		await shot(page, 'torn');
		await page.keyboard.press('Escape');
		await box.waitFor({ state: 'detached' });
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
	},
	async 'at 200 % zoom and in 390 pixels everything can be reached'(page) {
		// Each thing that can be pressed is somewhere on the screen once it is scrolled to, and nothing lies over it.
		const beyond = () => page.evaluate(() => [...document.querySelectorAll('button, select, input, summary, a[href], [role=tab], [role=treeitem]')].filter((el) => {
			if (!el.checkVisibility() || el.disabled || el.closest('details:not([open])') && el.tagName !== 'SUMMARY') return false;
			el.scrollIntoView({ block: 'center', inline: 'center' });
			const { left, top, width, height } = el.getBoundingClientRect(), x = left + Math.min(width, innerWidth) / 2, y = top + height / 2;
			if (!width || !height) return false;
			const there = document.elementFromPoint(x, y);
			return !(there && (el === there || el.contains(there) || there.contains(el) || there.closest('label')?.contains(el)));
		}).slice(0, 5).map((el) => `${el.tagName} ${el.getAttribute('aria-label') ?? el.textContent.slice(0, 30)}`));
		for (const [width, height] of [[640, 400], [390, 844]]) {
			await page.setViewportSize({ width, height });
			for (const [tab, what] of [['Timeline', 'canvas.rows'], ['Memory', '.tile'], ['Overview', '.plot canvas'], ['Flame', '.flame-box'], ['Leaks', '.leaks td'], ['Sessions', '.sessions td']]) {
				await page.getByRole('tab', { name: tab, exact: true }).click();
				await page.locator(what).first().waitFor();
				await until(`${width}: ${tab}`, beyond, (list) => !list.length, 10);
			}
			await page.getByRole('tab', { name: 'Timeline', exact: true }).click();
			for (const open of ['Settings', 'Help']) {
				await page.getByLabel(open, { exact: true }).click();
				await page.locator('dialog').waitFor();
				const list = await page.evaluate(() => [...document.querySelectorAll('dialog button, dialog input, dialog select')].filter((el) => {
					el.scrollIntoView({ block: 'center' });
					const { left, right, top, bottom } = el.getBoundingClientRect();
					return left < 0 || right > innerWidth + 1 || top < 0 || bottom > innerHeight + 1;
				}).map((el) => el.textContent.slice(0, 30)));
				assert(!list.length, `${width}: ${open}: ${list}`);
				await page.keyboard.press('Escape');
				await page.locator('dialog').waitFor({ state: 'detached' });
			}
		}
	},
};

process.exit(await run({}, steps) ? 1 : 0);
