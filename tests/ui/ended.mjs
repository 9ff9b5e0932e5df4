// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A program that has ended with status 2: the UI says so, and has the last stack of a goroutine.
import { until } from './browser.mjs';
import { ask, run, shot } from './page.mjs';

const [url] = process.argv.slice(2);
const steps = (name) => ({
	async 'how it ended is over the page'(page) {
		await page.goto(url);
		await page.waitForFunction(() => window.timeline?.entries.length > 3);
		await until('how it ended', () => page.locator('.banner').textContent(), (t) => t.startsWith('The program has ended with exit status 2 (pid '));
	},
	async 'a goroutine has its last stack'(page) {
		await ask(page, 1);
		await until('its stack, and of when it is', () => page.locator('.panel .stack').textContent(), (t) => /before the program ended/.test(t) && /goroutine 1 \[/.test(t));
		await shot(page, `ended-${name}`);
	},
});
let failed = 0;
for (const [width, theme] of [[1280, 'light'], [390, 'dark']]) failed += await run({ width, theme, height: width < 500 ? 844 : 800 }, steps(`${width}-${theme}`));
process.exit(failed ? 1 : 0);
