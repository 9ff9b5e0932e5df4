// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A page of another origin in Chromium, of the user whom the server trusts: origin.mjs BASE ALLOWED, where
// BASE is the server without the slash and ALLOWED a port of this machine whose pages it lets in.
import { createServer } from 'node:http';
import { assert, open } from './browser.mjs';

const [base, allowed] = process.argv.slice(2);
const serve = (port) => new Promise((resolve) => {
	const server = createServer((_, res) => {
		res.setHeader('content-type', 'text/html');
		res.end('<!DOCTYPE html><title>a page</title><link rel="icon" href="data:,">');
	}).listen(port, '127.0.0.1', () => resolve(server));
});

// What the page can do, each as 'ok' or why not.
const tries = (page) => page.evaluate(async (base) => {
	const attempt = async (fn) => {
		try {
			return await fn() ?? 'ok';
		} catch (e) {
			return String(e);
		}
	};
	const value = async () => (await (await fetch(`${base}/api/config`)).json()).nanoseconds_per_pixel;
	const post = (type, n) => fetch(`${base}/api/config`, { method: 'POST', headers: { 'content-type': type },
		body: JSON.stringify({ nanoseconds_per_pixel: n }) });
	return {
		read: await attempt(async () => { if (!((await value()) > 0)) throw new Error('no answer'); }),
		credentials: await attempt(async () => { await (await fetch(`${base}/api/info`, { credentials: 'include' })).json(); }),
		preflighted: await attempt(async () => {
			await post('application/json', 4711);
			if ((await value()) !== 4711) throw new Error('not set');
		}),
		simple: await attempt(async () => {
			await post('text/plain', 4712);
			if ((await value()) !== 4712) throw new Error('not set');
		}),
		token: await attempt(async () => { await (await fetch(`${base}/api/info`, { headers: { authorization: 'Bearer x' } })).json(); }),
		socket: await attempt(() => new Promise((resolve, reject) => {
			const ws = new WebSocket(`${base.replace('http', 'ws')}/ws`, 'xgotop.ticks');
			ws.onmessage = () => { resolve(); ws.close(); };
			ws.onerror = () => reject(new Error('no WebSocket'));
		})),
		// Never, whoever asks: such a request does not say whose page it is.
		blind: await attempt(() => fetch(`${base}/api/config`, { mode: 'no-cors' }).then((r) => {
			if (r.type === 'opaque') throw new Error('opaque');
		})),
		image: await attempt(() => new Promise((resolve, reject) => {
			const image = new Image();
			image.onload = () => resolve();
			image.onerror = () => reject(new Error('no image'));
			image.src = `${base}/api/live/tiles/20/0?goids=1`;
		})),
	};
}, base);

const good = await serve(Number(allowed)), other = await serve(0);
const { page, close } = await open();
let failed;
try {
	for (const [server, host, inside] of [[good, 'localhost', true], [good, '127.0.0.1', false],
		[other, 'localhost', false], [other, '127.0.0.1', false]]) {
		const from = `http://${host}:${server.address().port}`;
		const before = Number(await (await fetch(`${base}/api/config`)).json().then((c) => c.nanoseconds_per_pixel));
		await page.goto(from);
		const got = await tries(page);
		console.log(`${from} ${JSON.stringify(got)}`);
		for (const [what, how] of Object.entries(got)) {
			const may = inside && what !== 'blind' && what !== 'image';
			assert((how === 'ok') === may, `${what} from ${from}: ${how}`);
		}
		const after = (await (await fetch(`${base}/api/config`)).json()).nanoseconds_per_pixel;
		assert(after === (inside ? 4712 : before), `${from} set ${after}`);
	}
} catch (e) {
	failed = e;
}
await close();
good.close();
other.close();
if (failed) throw failed;
