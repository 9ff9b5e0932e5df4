// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The server goes and comes back: node gone.mjs WEB_DEMO [FOLDER for screenshots]
import { spawn } from 'node:child_process';
import { assert, until } from './browser.mjs';
import { ready, run, shot, view } from './page.mjs';

const TOKEN = '0123456789abcdef0123456789abcdef';
let server, port = '0';

// Its URL, or null: the port that it had before may be somebody's for a moment.
const begun = () => {
	server = spawn(process.argv[2], ['-port', port, '-token', TOKEN, '-goroutines', '40'], { stdio: ['pipe', 'pipe', 'inherit'] });
	return new Promise((got) => {
		server.stdout.once('data', (text) => got(String(text).trim()));
		server.once('exit', () => got(null));
	});
};

async function start() {
	if (server && server.exitCode === null) server.kill('SIGKILL'); // of a step that failed
	const url = await until('the server starts', begun, Boolean);
	port = new URL(url).port;
	return url;
}

async function stop() {
	const ended = new Promise((done) => server.once('exit', done));
	server.stdin.end();
	await ended;
}

// That nobody answers is what is tested.
const quiet = (problems) => problems.splice(0, problems.length, ...problems.filter((p) => !/net::ERR_|WebSocket/.test(p)));

// Where the picture is. It may show what had come before for a moment still, on a machine that stood still.
const holdsStill = (page) => until('the picture holds still', async () => {
	const { t1 } = await view(page), at = Date.now();
	await until('time goes on elsewhere', () => Date.now() - at, (ms) => ms > 700);
	return (await view(page)).t1 === t1 ? { t1 } : null;
}, Boolean).then(({ t1 }) => t1);

const steps = {
	async 'one that is there and says nothing is none, and is there again as soon as it speaks'(page, problems) {
		await page.goto(await start());
		await ready(page);
		await until('rates', () => page.locator('.metrics').textContent(), (t) => /RPS/.test(t));
		server.kill('SIGSTOP');
		await page.locator('.banner.bad', { hasText: 'No connection to the server since' }).waitFor();
		const t1 = await holdsStill(page);
		assert(await page.locator('.metrics').textContent() === '', 'rates of then');
		await shot(page, 'silent');
		server.kill('SIGCONT');
		await page.locator('.banner').waitFor({ state: 'detached' });
		await until('the picture moves', () => view(page), (v) => v.t1 > t1 + 1e9);
		await until('rates', () => page.locator('.metrics').textContent(), (t) => /RPS/.test(t));
		await page.goto('about:blank');
		await stop();
		quiet(problems);
		port = '0';
	},
	async 'it says so at every width, and holds still'(page, problems) {
		await page.goto(await start());
		await ready(page);
		await until('rates', () => page.locator('.metrics').textContent(), (t) => /RPS/.test(t));
		await until('it follows', () => page.getByRole('button', { name: 'Follow', exact: true }).getAttribute('aria-pressed'), (p) => p === 'true');
		await stop();
		const banner = page.locator('.banner.bad', { hasText: /No connection to the server since .*Connecting again/ });
		for (const width of [390, 1280, 1440]) {
			await page.setViewportSize({ width, height: 844 });
			await banner.waitFor();
			const box = await banner.boundingBox();
			assert(box.x === 0 && box.width === width, `${width}: ${JSON.stringify(box)}`);
			assert(await page.evaluate((w) => document.documentElement.scrollWidth <= w, width), 'wider than the screen');
			await shot(page, `gone-${width}`);
		}
		assert(await page.locator('.metrics').textContent() === '', 'rates of then');
		assert(await page.getByRole('button', { name: 'Follow', exact: true }).getAttribute('aria-pressed') === 'false', 'Follow is lit');
		await holdsStill(page);
		quiet(problems);
	},
	async 'and goes on when there is one again'(page, problems) {
		await start();
		await page.locator('.banner').waitFor({ state: 'detached' });
		await ready(page);
		await until('rates', () => page.locator('.metrics').textContent(), (t) => /RPS/.test(t));
		const before = await view(page);
		await until('the picture moves', () => view(page), (v) => v.t1 !== before.t1);
		quiet(problems);
		await stop();
		await page.locator('.banner').waitFor();
		quiet(problems);
	},
};

const failed = await run({}, steps);
server.kill();
process.exit(failed ? 1 : 0);
