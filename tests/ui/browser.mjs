// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A Chromium that keeps to itself, and a page that reports what goes wrong in it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

// SLACK is of tests/lib.sh: the factor of all deadlines.
const slack = Number(process.env.SLACK ?? 4), patience = 15 * slack;

// A browser's processes write to its profile for a moment after it has ended. What is left of it is nobody's failure.
export function forget(profile) {
	try {
		rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
	} catch (e) {
		console.log(`${profile} is left: ${e.message}`);
	}
}

export async function open({ width = 1280, height = 800, theme = 'light', touch = false } = {}) {
	const profile = mkdtempSync(join(tmpdir(), 'xgotopfs-chromium-'));
	const context = await chromium.launchPersistentContext(profile, {
		executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
		headless: true, timeout: 1000 * patience,
		args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync'],
		viewport: { width, height }, colorScheme: theme, hasTouch: touch,
	});
	const page = context.pages()[0] ?? await context.newPage();
	const problems = [];
	page.setDefaultTimeout(1000 * patience);
	page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) problems.push(`console: ${m.text()}`); });
	page.on('pageerror', (e) => problems.push(`exception: ${e.message}`));
	page.on('response', (r) => { if (r.status() >= 400) problems.push(`${r.status()} ${r.url()}`); });
	return { page, problems, close: async () => {
		await context.close();
		forget(profile);
	} };
}

export function assert(ok, text) {
	if (!ok) throw new Error(text);
}

// Waits for what `get` answers to satisfy `test`.
// `seconds`, times SLACK, is when to give up: only who fails waits so long, and a busy machine must not fail.
export async function until(what, get, test, seconds = 15) {
	const deadline = Date.now() + 1000 * slack * Math.max(seconds, 15);
	for (;;) {
		const value = await get();
		if (test(value)) return value;
		if (Date.now() > deadline) throw new Error(`${what}: ${JSON.stringify(value)}`);
		await new Promise((resolve) => setTimeout(resolve, 40));
	}
}
