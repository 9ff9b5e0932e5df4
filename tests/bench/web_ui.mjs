// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How the UI does with a big source, in headless Chromium: first paint, frames while it is panned and
// zoomed against frames of an empty canvas on the same machine, memory of the tab.
// Usage: node web_ui.mjs NAME URL...     prints one line a figure
import { readFileSync } from 'node:fs';
import { open } from './browser.mjs';

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
const ms = (x) => x.toFixed(1);

function frameLine(frames) {
	const sorted = [...frames].sort((a, b) => a - b);
	const mean = frames.reduce((a, b) => a + b, 0) / frames.length;
	return `${ms(1000 / mean)} a second; median ${ms(quantile(sorted, 0.5))} ms, 95 % ${ms(quantile(sorted, 0.95))}, ` +
		`99 % ${ms(quantile(sorted, 0.99))}, longest ${ms(sorted[sorted.length - 1])} (${frames.length} frames)`;
}

// Before the page's own code: when there is first something coloured in the rows' canvas, and the time
// between frames.
function watch() {
	window.frameTimes = [];
	let last = 0;
	const copy = document.createElement('canvas');
	const ctx = copy.getContext('2d', { willReadFrequently: true });
	const coloured = (canvas) => {
		copy.width = canvas.width;
		copy.height = Math.min(canvas.height, 200);
		ctx.drawImage(canvas, 0, 0);
		const d = ctx.getImageData(0, 0, copy.width, copy.height).data;
		for (let i = 0; i < d.length; i += 4)
			if (Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 50) return true;
		return false;
	};
	const frame = (at) => {
		if (last) window.frameTimes.push(at - last);
		last = at;
		const canvas = !window.firstRows && window.timeline?.entries.length && document.querySelector('canvas.rows');
		if (canvas && coloured(canvas)) window.firstRows = performance.now();
		requestAnimationFrame(frame);
	};
	requestAnimationFrame(frame);
}

const frames = async (page, doing) => {
	await page.evaluate(() => { window.frameTimes.length = 0; });
	await doing();
	return page.evaluate(() => window.frameTimes.slice(1));
};

async function empty() {
	const { page, close } = await open();
	await page.addInitScript(watch);
	await page.goto('data:text/html,<canvas width=1280 height=800 style="position:absolute"></canvas>');
	const got = await frames(page, () => page.evaluate(() => new Promise((done) => {
		const ctx = document.querySelector('canvas').getContext('2d');
		let n = 0;
		const step = () => {
			ctx.fillStyle = n % 2 ? '#fff' : '#eee';
			ctx.fillRect(0, 0, 1280, 800);
			if (++n < 240) requestAnimationFrame(step);
			else done();
		};
		step();
	})));
	console.log(`an empty canvas: ${frameLine(got)}`);
	await close();
}

// Of the renderer that holds the page: its own memory, from /proc.
async function tabMemory(page) {
	const browser = await page.context().browser()?.newBrowserCDPSession() ?? null;
	const session = browser ?? await page.context().newCDPSession(page);
	const metrics = await page.context().newCDPSession(page).then(async (s) => {
		await s.send('Performance.enable');
		return (await s.send('Performance.getMetrics')).metrics;
	});
	const heap = metrics.find((m) => m.name === 'JSHeapUsedSize').value;
	let anonymous = 0;
	try {
		const { processInfo } = await session.send('SystemInfo.getProcessInfo');
		for (const p of processInfo.filter((i) => i.type === 'renderer')) {
			const status = readFileSync(`/proc/${p.id}/status`, 'utf8');
			anonymous = Math.max(anonymous, Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024);
		}
	} catch { /* a Chromium that does not say */ }
	return `heap ${(heap / 2 ** 20).toFixed(0)} MiB, process ${anonymous ? (anonymous / 2 ** 20).toFixed(0) : '?'} MiB`;
}

// Wheel events as a hand makes them, some 60 a second, for `seconds`.
async function wheel(page, seconds, step) {
	const until = Date.now() + seconds * 1000;
	for (let i = 0; Date.now() < until; i++) {
		await step(i);
		await new Promise((resolve) => setTimeout(resolve, 12));
	}
}

async function look(name, url) {
	const { page, close } = await open();
	await page.addInitScript(watch);
	await page.goto(url, { waitUntil: 'commit' });
	await page.waitForFunction(() => window.firstRows, null, { timeout: 120000 });
	console.log(`${name}: first rows after ${Math.round(await page.evaluate(() => window.firstRows))} ms`);
	await page.waitForFunction(() => !document.querySelector('.growing'), null, { timeout: 300000 });
	console.log(`${name}: all of it after ${Math.round(await page.evaluate(() => performance.now()))} ms, ` +
		`${await page.evaluate(() => window.timeline.entries.length)} rows`);
	const box = await page.locator('canvas.rows').boundingBox();
	const x = box.x + box.width * 0.6, y = box.y + box.height / 2;
	await page.mouse.move(x, y);
	const zoom = () => wheel(page, 4, async (i) => {
		if (i === 0) await page.keyboard.down('Control');
		await page.mouse.wheel(0, Math.floor(i / 40) % 2 ? 60 : -60);
	}).then(() => page.keyboard.up('Control'));
	console.log(`${name}: zooming ${frameLine(await frames(page, zoom))}`);
	for (let i = 0; i < 12; i++) await page.keyboard.press('w');
	console.log(`${name}: panning ${frameLine(await frames(page, () => wheel(page, 4, (i) =>
		page.mouse.wheel(Math.floor(i / 100) % 2 ? -80 : 80, 0))))}`);
	console.log(`${name}: scrolling ${frameLine(await frames(page, () => wheel(page, 4, (i) =>
		page.mouse.wheel(0, Math.floor(i / 150) % 2 ? -90 : 90))))}`);
	console.log(`${name}: the tab ${await tabMemory(page)}`);
	await close();
}

await empty();
for (let i = 2; i + 1 < process.argv.length; i += 2) await look(process.argv[i], process.argv[i + 1]);
