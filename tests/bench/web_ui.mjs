// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How the UI does with a big source, in headless Chromium: first paint, frames while it is panned and
// zoomed against frames of an empty canvas on the same machine, memory of the tab. Memory is that of a browser
// to which nobody is attached: the driver makes a page keep what it was answered, up to 200 MB.
// Usage: node web_ui.mjs NAME URL...     prints one line a figure, with the goal where there is one
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { forget, open } from './browser.mjs';

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
const ms = (x) => x.toFixed(1);
const FIRST_ROWS_MS = 1000, FRAMES = 55, TAB_MIB = 300;
// Beside a figure: what it is to be, and whether it is.
const goal = (text, met) => ` [goal: ${text}${met ? '' : '; MISSED'}]`;

function frameLine(frames, wanted = FRAMES) {
	const sorted = [...frames].sort((a, b) => a - b);
	const mean = frames.reduce((a, b) => a + b, 0) / frames.length;
	return `${ms(1000 / mean)} a second${wanted ? goal(`${wanted} and more`, 1000 / mean >= wanted) : ''}; median ${ms(quantile(sorted, 0.5))} ms, 95 % ${ms(quantile(sorted, 0.95))}, ` +
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
	console.log(`an empty canvas: ${frameLine(got, 0)}`); // what this machine can do
	await close();
}

// Of the renderer that holds the page, of those below a process: its own memory, in MiB.
function rendererMemory(root) {
	const processes = readdirSync('/proc').filter((d) => /^\d+$/.test(d)).flatMap((pid) => {
		try {
			const status = readFileSync(`/proc/${pid}/status`, 'utf8'), field = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
			return [{ pid: Number(pid), parent: field('PPid'), anonymous: field('RssAnon'), renderer: readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--type=renderer') }];
		} catch { // it has ended
			return [];
		}
	});
	const below = new Set([root]);
	for (let before = 0; before !== below.size;) {
		before = below.size;
		for (const p of processes) if (below.has(p.parent)) below.add(p.pid);
	}
	return Math.max(...processes.filter((p) => p.renderer && below.has(p.pid)).map((p) => p.anonymous)) / 1024;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A browser of its own, attached to for moments only.
async function alone(name, url) {
	const profile = mkdtempSync(join(tmpdir(), 'xgotopfs-chromium-'));
	const browser = spawn(process.env.CHROMIUM ?? '/usr/bin/chromium', ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`, '--remote-debugging-port=0', '--window-size=1280,800', url], { stdio: 'ignore' });
	const attached = async (doing) => {
		const b = await chromium.connectOverCDP(`http://127.0.0.1:${readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n')[0]}`);
		try {
			return await doing(b.contexts()[0].pages()[0]);
		} finally {
			await b.close();
		}
	};
	const heap = () => attached((page) => page.evaluate(() => performance.memory.usedJSHeapSize / 2 ** 20));
	try {
		for (let i = 0; ; i++) {
			await sleep(3000);
			if (await attached((page) => page.evaluate(() => !!window.timeline?.entries.length && !document.querySelector('.growing'))).catch(() => false)) break;
			if (i > 100) throw new Error('it does not get done');
		}
		const most = [];
		const take = async (what) => {
			await sleep(3000);
			most.push(rendererMemory(browser.pid));
			console.log(`${name}: ${what}: the tab's process ${most[most.length - 1].toFixed(0)} MiB${goal(`under ${TAB_MIB}`, most[most.length - 1] < TAB_MIB)}, its heap ${(await heap()).toFixed(0)} MiB`);
		};
		await take('all read');
		await attached(async (page) => {
			const box = await page.locator('canvas.rows').boundingBox();
			await page.mouse.move(box.x + box.width * 0.6, box.y + box.height / 2);
			await wheel(page, 6, (i) => page.mouse.wheel(0, Math.floor(i / 150) % 2 ? -900 : 900));
		});
		await take('scrolled');
	} finally {
		browser.kill();
		await new Promise((resolve) => browser.on('exit', resolve));
		forget(profile);
	}
}

// Wheel events as a hand makes them, some 60 a second, for `seconds`.
async function wheel(page, seconds, step) {
	const until = Date.now() + seconds * 1000;
	for (let i = 0; Date.now() < until; i++) {
		await step(i);
		await sleep(12);
	}
}

async function look(name, url) {
	const { page, close } = await open();
	await page.addInitScript(watch);
	await page.goto(url, { waitUntil: 'commit' });
	await page.waitForFunction(() => window.firstRows, null, { timeout: 120000 });
	const first = Math.round(await page.evaluate(() => window.firstRows));
	console.log(`${name}: first rows after ${first} ms${goal(`under ${FIRST_ROWS_MS}`, first < FIRST_ROWS_MS)}`);
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
	await close();
}

await empty();
for (let i = 2; i + 1 < process.argv.length; i += 2) {
	await look(process.argv[i], process.argv[i + 1]);
	await alone(process.argv[i], process.argv[i + 1]);
}
