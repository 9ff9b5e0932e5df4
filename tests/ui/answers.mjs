// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the UI answers in one place, on the made-up server that loses events: whether its picture is whole, what took
// a goroutine's time; and what it refuses: node answers.mjs URL [FOLDER for screenshots]
import { serious } from './axe.mjs';
import { assert, until } from './browser.mjs';
import { ready, run, shot, view } from './page.mjs';

const [url] = process.argv.slice(2);

const steps = {
	async 'rows appear'(page) {
		await page.goto(url);
		await ready(page);
	},
	async 'whether the picture is whole stands in one place'(page) {
		for (const open of [() => page.keyboard.press('i'), () => page.locator('.metric', { hasText: 'LOST' }).click()]) {
			await open();
			const box = page.getByRole('dialog', { name: 'Is the picture whole?' });
			const lost = await page.evaluate(async () => Object.values((await (await fetch('/api/live/status')).json()).lost).reduce((a, b) => a + b, 0));
			const said = await until('what was lost', () => box.innerText(), (t) => /([\d,]+) lost, beside/.test(t) && /Events against memory/.test(t));
			const told = Number(/([\d,]+) lost, beside/.exec(said)[1].replace(/,/g, ''));
			assert(told >= lost && /Not whole: .*events were lost/.test(said), `${lost} lost, it says: ${said}`);
			const found = await serious(page);
			assert(!found.length, `axe: ${found.join('; ')}`);
			await shot(page, 'whole');
			await page.keyboard.press('Escape');
			await box.waitFor({ state: 'detached' });
		}
	},
	async "a goroutine's longest stays are in its panel, as the server has them"(page) {
		await page.keyboard.press('g');
		await page.keyboard.type('7');
		await page.keyboard.press('Enter');
		await page.locator('.slow tr').nth(3).waitFor();
		const unit = { m: 60e9, s: 1e9, ms: 1e6, 'µs': 1e3, ns: 1 };
		const lengths = (await page.locator('.slow td.num').allTextContents()).map((t) => [...t.matchAll(/([\d.]+) ?(ms|µs|ns|m|s)/g)].reduce((sum, [, n, u]) => sum + n * unit[u], 0));
		assert(lengths.every((v, i) => v > 0 && (!i || v <= lengths[i - 1])), `not the longest first: ${lengths}`);
		const place = await view(page);
		await page.locator('.slow tr').first().click();
		await until('it is shown', () => view(page), (v) => v.scale !== place.scale && Math.abs((v.t1 - v.t0) / lengths[0] - 5 / 3) < 0.1);
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
		await page.keyboard.press('m');
		await page.keyboard.type('one more');
		await page.keyboard.press('Enter');
		await page.locator('.said', { hasText: '50 marks' }).waitFor();
		assert(await kept() === 50, 'one was dropped for it');
		await page.goto('about:blank');
		await page.goto(url);
		await ready(page);
	},
};

process.exit(await run({}, steps) ? 1 : 0);
