// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Who cannot see the canvas or has no pointer, a window of any width, a server behind a proxy with a path of its own:
// node reach.mjs URL [FOLDER for screenshots]
import http from 'node:http';
import net from 'node:net';
import { assert, until } from './browser.mjs';
import { ask, nanoseconds, ready, run, selected, shot, view } from './page.mjs';

const [url] = process.argv.slice(2);
const tab = (page, name) => page.getByRole('tab', { name, exact: true });
const VIEWS = { Timeline: 'canvas.rows', Memory: '.tile', Overview: '.plot canvas', Flame: '.flame-box', Leaks: '.leaks td', Sessions: '.sessions td, table td', Compare: '.compare td' };
const afresh = async (page) => {
	await page.goto('about:blank');
	await page.goto(url);
	await ready(page);
};

// What a screen reader would call only "button".
async function nameless(page) {
	const tree = await page.locator('body').ariaSnapshot();
	return tree.split('\n').filter((line) => /^\s*- (button|link|textbox|searchbox|combobox|checkbox|slider|spinbutton|tab|dialog|application|img)\b(?! ")/.test(line)).map((line) => line.trim());
}

// What is wider than the window, or cut: controls that cannot be had, figures that end in the middle of a number.
const misfits = (page) => page.evaluate(() => {
	const found = [], seen = (e) => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 && getComputedStyle(e).visibility !== 'hidden'; };
	const name = (e) => `${e.tagName} ${(e.getAttribute('aria-label') ?? e.textContent).trim().slice(0, 30)}`;
	const scroller = (e) => { for (let p = e.parentElement; p; p = p.parentElement) if (/auto|scroll/.test(getComputedStyle(p).overflow)) return p; return null; };
	const wider = document.documentElement.scrollWidth - innerWidth, dialog = document.querySelector('dialog[open]');
	if (wider > 0) found.push(`the page is ${wider} px too wide`);
	for (const e of document.querySelectorAll('button, a[href], input, select, textarea, summary')) {
		if (!seen(e) || (dialog && !dialog.contains(e))) continue;
		const r = (e.closest('label') ?? e).getBoundingClientRect();
		if (!scroller(e) && (r.right > innerWidth + 1 || r.left < -1)) found.push(`${name(e)}: at ${Math.round(r.left)} to ${Math.round(r.right)}`);
	}
	// What has no room is left out whole: it stands below the first line, which is all that is seen. What says how whole the picture is never is.
	const metrics = document.querySelector('.metrics'), box = metrics.getBoundingClientRect();
	for (const e of innerWidth > 700 ? metrics.children : []) {
		const r = e.getBoundingClientRect(), out = r.top >= box.bottom - 1;
		if (seen(e) && (out ? e.matches('.metric') : r.right > Math.min(box.right, innerWidth) + 3 || r.bottom > box.bottom + 1)) found.push(`${out ? 'left out' : 'cut'}: ${name(e)}`);
	}
	const chosen = document.querySelector('header select.process');
	if (chosen) {
		const whole = chosen.cloneNode(true);
		whole.style.cssText = 'position: absolute; visibility: hidden; width: max-content';
		chosen.parentElement.append(whole);
		if (whole.offsetWidth > chosen.offsetWidth + 1) found.push(`the process has ${chosen.offsetWidth} px of ${whole.offsetWidth}`);
		whole.remove();
	}
	return found;
});

const reach = {
	async 'every control has a name, in each view and dialog'(page) {
		await afresh(page);
		for (const [name, what] of Object.entries(VIEWS)) {
			await tab(page, name).click();
			await page.locator(what).first().waitFor();
			assert(!(await nameless(page)).length, `${name}: ${await nameless(page)}`);
		}
		await tab(page, 'Timeline').click();
		await ready(page);
		await ask(page, 7);
		await until('7', () => selected(page), (t) => t === 'Goroutine 7');
		assert(!(await nameless(page)).length, `the panel: ${await nameless(page)}`);
		for (const [key, title] of [['?', 'Keys and filters'], ['g', 'Go to goroutine or time'], ['i', 'Is the picture whole?']]) {
			await page.locator('canvas.rows').focus();
			await page.keyboard.press(key);
			await page.getByRole('dialog', { name: title }).waitFor();
			assert(!(await nameless(page)).length, `${title}: ${await nameless(page)}`);
			await page.keyboard.press('Escape');
			await page.locator('dialog').waitFor({ state: 'detached' });
		}
		await page.getByLabel('Settings').click();
		assert(!(await nameless(page)).length, `Settings: ${await nameless(page)}`);
		await page.keyboard.press('Escape');
	},
	async 'a screen reader is told who was chosen, once, and not how its time grows'(page) {
		await page.locator('canvas.rows').focus();
		await page.evaluate(() => {
			window.told = [];
			new MutationObserver((list) => {
				for (const m of list) {
					const live = (m.target.nodeType === 1 ? m.target : m.target.parentElement)?.closest('[aria-live], [role=status], [role=alert]');
					if (live && live.textContent) window.told.push(live.textContent);
				}
			}).observe(document.body, { subtree: true, childList: true, characterData: true });
		});
		const told = () => page.evaluate(() => window.told.filter((t) => t.startsWith('goroutine ')));
		await page.keyboard.press('ArrowDown');
		await until('told', told, (list) => list.length > 0);
		const goid = (await selected(page)).split(' ')[1], ticks = () => page.evaluate(() => window.timeline.view.end);
		assert(new RegExp(`^goroutine ${goid}, \\S+, \\w+ .*for `).test((await told())[0]), (await told())[0]);
		const then = await ticks();
		await until('time goes on', ticks, (t) => t > then + 3e9);
		assert((await told()).length === 1, `told: ${await told()}`);
		await page.keyboard.press('ArrowDown');
		await until('the next one', told, (list) => list.length === 2);
	},
	async 'what it did, change by change, without a pointer'(page) {
		await ask(page, 7);
		await until('7', () => selected(page), (t) => t === 'Goroutine 7');
		await page.evaluate(() => { window.told = []; });
		await page.locator('canvas.rows').focus();
		await page.keyboard.press(',');
		const text = (await until('the change is told', () => page.evaluate(() => window.told.filter((t) => / from /.test(t))), (list) => list.length > 0))[0];
		await page.waitForFunction(() => !window.timeline.view.target);
		const { t0, t1 } = await view(page), at = (t0 + t1) / 2;
		// The one that begins there, as the server has it.
		const first = await page.evaluate(async () => (await (await fetch('/api/live/status?proc=0')).json()).first_ns);
		const spans = await page.evaluate(async ([a, b]) => (await (await fetch(`/api/live/goroutines/7/spans?proc=0&from=${a}&to=${b}&limit=100`)).json()).spans, [Math.round(first + at - 1e6), Math.round(first + at + 1e6)]);
		const fits = spans.filter((s) => Math.abs(s[0] - first - at) < 1e6 && s[1] && Math.abs(nanoseconds(/, ([^,]*)/.exec(text)[1]) - (s[1] - s[0])) <= 0.02 * (s[1] - s[0]) + 100);
		assert(fits.length, `"${text}", and at ${at}: ${JSON.stringify(spans)}`);
	},
	async 'at every width each view is there, its controls can be had, and no figure is cut'(page) {
		await page.keyboard.press('Escape');
		// 640: 1280 at 200 %.
		for (const [width, height] of [[390, 844], [640, 400], [768, 1024], [1024, 768], [1280, 800], [1440, 900], [1920, 1080]]) {
			await page.setViewportSize({ width, height });
			for (const [name, what] of Object.entries(VIEWS)) {
				await tab(page, name).click();
				await page.locator(what).first().waitFor();
				await until(`${width}: ${name}`, () => misfits(page), (list) => !list.length);
			}
			await page.getByLabel('Settings').click();
			await page.getByRole('dialog').waitFor();
			const cut = await page.locator('dialog .check').evaluateAll((list) => list.filter((e) => e.getBoundingClientRect().right > e.closest('dialog').getBoundingClientRect().right).map((e) => e.textContent));
			assert(!cut.length, `${width}: ${cut}`);
			await page.keyboard.press('Escape');
			await page.locator('dialog').waitFor({ state: 'detached' });
			await shot(page, `fits-${width}`);
		}
		await page.setViewportSize({ width: 390, height: 844 });
		await tab(page, 'Memory').click();
		for (const by of ['By type', 'By function']) {
			await page.getByRole('tab', { name: by }).click();
			await page.locator('table.wide td').first().waitFor();
			const right = await page.locator('table.wide tbody tr').first().locator('td').nth(1).evaluate((e) => e.getBoundingClientRect().right);
			assert(right < 390, `${by}: the bytes end at ${right}`);
		}
		await page.setViewportSize({ width: 1280, height: 800 });
	},
};

// A proxy that has the server below /tools/x/.
const BELOW = '/tools/x';
const to = new URL(url);
const proxy = http.createServer((request, response) => {
	if (!request.url.startsWith(`${BELOW}/`)) {
		response.writeHead(request.url === '/favicon.ico' ? 204 : 404).end();
		return;
	}
	const on = http.request({ host: to.hostname, port: to.port, path: request.url.slice(BELOW.length), method: request.method, headers: request.headers }, (answer) => {
		response.writeHead(answer.statusCode, answer.headers);
		answer.pipe(response);
	});
	on.on('error', () => response.destroy());
	request.pipe(on);
});
proxy.on('upgrade', (request, socket, head) => {
	const on = net.connect(Number(to.port), to.hostname, () => {
		const headers = request.rawHeaders.reduce((text, value, i) => text + value + (i % 2 ? '\r\n' : ': '), '');
		on.write(`GET ${request.url.slice(BELOW.length)} HTTP/1.1\r\n${headers}\r\n`);
		if (head.length) on.write(head);
		socket.pipe(on).pipe(socket);
	});
	for (const s of [on, socket]) s.on('error', () => { on.destroy(); socket.destroy(); });
});

const below = {
	async 'behind a proxy that has it below a path of its own all is there'(page) {
		const home = `http://127.0.0.1:${proxy.address().port}${BELOW}/`;
		await page.goto(home);
		await ready(page);
		await page.locator('.light.connected').waitFor();
		for (const [name, what] of Object.entries(VIEWS)) {
			await tab(page, name).click();
			await page.locator(what).first().waitFor();
		}
		await tab(page, 'Timeline').click();
		for (const link of await page.locator('.menu-items a').evaluateAll((list) => list.map((a) => a.href))) assert(link.startsWith(home), link);
		await page.getByLabel('Settings').click();
		await page.getByRole('dialog').waitFor();
		await page.keyboard.press('Escape');
		// An old link of who needs none, too.
		await page.goto(`${home}?token=of-before`);
		await ready(page);
		assert(page.url().split('#')[0] === home, page.url());
	},
};

await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
const failed = await run({}, reach) + await run({}, below);
proxy.closeAllConnections();
proxy.close();
process.exit(failed ? 1 : 0);
