// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A session that is still being recorded, in the UI: node growing.mjs URL [FOLDER for screenshots]
import { assert, until } from './browser.mjs';
import { ready, run, shot } from './page.mjs';

const [url] = process.argv.slice(2);
const tab = (page, name) => page.getByRole('tab', { name, exact: true }).click();
const ends = (page) => page.evaluate(() => window.timeline.entries.filter((e) => e.row).reduce((last, e) => Math.max(last, e.row.since), 0));
const created = async (page) => Number(/([\d,]+) created/.exec(await page.locator('.totals').textContent())?.[1].replace(/,/g, ''));

const growing = {
	async 'what is written to it meanwhile comes by itself'(page) {
		await page.goto(url);
		await ready(page);
		const session = await page.evaluate(async () => (await fetch('/api/sessions').then((r) => r.json()))[0]);
		assert(session.state === 'running', `it is ${session.state}`);
		await page.goto('about:blank');
		await page.goto(`${url}#source=${session.id}`);
		await ready(page);
		const first = await ends(page);
		await until('later ones', () => ends(page), (t) => t > first);
		await shot(page, 'growing');
	},
	async 'in the figures, too'(page) {
		await tab(page, 'Overview');
		const before = await until('how many were created', () => created(page), (n) => n > 0);
		await until('more', () => created(page), (n) => n > before);
	},
};

process.exit(await run({}, growing) ? 1 : 0);
