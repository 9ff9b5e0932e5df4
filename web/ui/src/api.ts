// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The server. One source at a time is looked at: "live", or a recorded session's id.
import { EDGE, type PackedEdge } from 'contract';
import type { Config, Edge, Info, Series, Session, Status } from './types';

export class ApiError extends Error {
	constructor(public status: number, message: string) {
		super(message);
	}
}

// Of the server, which may be behind a proxy that has it below a path of its own (https://host/tools/xgotopfs/).
export const address = (path: string) => new URL(path.slice(1), document.baseURI).href;

// Of a session that is still being read: what there is so far, rather than a refusal.
function partial(path: string): string {
	return path.startsWith('/api/sessions/') ? `${path}${path.includes('?') ? '&' : '?'}partial=1` : path;
}

const NO_ANSWER = 'the server does not answer';
let underWay = new AbortController();

// Of a server that is gone no answer comes, and a browser would wait for it for minutes.
export function abandon(): void {
	underWay.abort();
	underWay = new AbortController();
}

async function request(path: string, init?: RequestInit): Promise<Response> {
	let response: Response;
	try {
		response = await fetch(address(init?.method ? path : partial(path)), { ...init, signal: underWay.signal });
	} catch {
		throw new ApiError(0, NO_ANSWER);
	}
	if (!response.ok) {
		let text = response.statusText;
		try {
			text = (await response.json()).error ?? text;
		} catch { /* not JSON: the status says enough */ }
		throw new ApiError(response.status, text);
	}
	return response;
}

// An answer of which the end does not come is none.
async function read<T>(response: Response, how: (response: Response) => Promise<T>): Promise<T> {
	try {
		return await how(response);
	} catch {
		throw new ApiError(0, NO_ANSWER);
	}
}

export async function getJson<T>(path: string): Promise<T> {
	return read(await request(path), (response) => response.json());
}

export async function getText(path: string): Promise<string> {
	return read(await request(path), (response) => response.text());
}

export async function getBinary(path: string): Promise<ArrayBuffer> {
	return read(await request(path), (response) => response.arrayBuffer());
}

// A profile's text, its comments among it, which say what it has and has not.
export async function getUnpacked(path: string): Promise<string> {
	const packed = (await request(path)).body!.pipeThrough(new DecompressionStream('gzip'));
	return read(new Response(packed), (response) => response.text());
}

export async function post<T>(path: string, body: unknown): Promise<T> {
	return (await request(path, { method: 'POST', headers: { 'content-type': 'application/json' },
		body: JSON.stringify(body) })).json();
}

export const base = (source: string) => (source === 'live' ? '/api/live' : `/api/sessions/${source}`);

// Which of the traced processes is looked at: every question about a source is about this one.
let chosen = 0;

export function setProcess(index: number): void {
	chosen = index;
}

export function at(source: string, rest: string, proc = chosen): string {
	return `${base(source)}/${rest}${rest.includes('?') ? '&' : '?'}proc=${proc}`;
}

// JavaScript's numbers tell integers up to 2^53 apart: of a larger one another goroutine would be asked for.
export const TOO_LARGE = 'the number is above 2^53, larger than this page can tell apart';

export const tellable = (goid: number) => Number.isSafeInteger(goid);

export const int = (n: number) => BigInt(Math.max(0, Math.round(n))).toString();

export const getInfo = () => getJson<Info>('/api/info');
export const getConfig = () => getJson<Config>('/api/config');
export const getSessions = () => getJson<Session[]>('/api/sessions');
export const getStatus = (source: string, proc = chosen) => getJson<Status>(at(source, 'status', proc));

// A session is read when it is first asked for.
export async function untilReady(source: string, proc: number, stopped: () => boolean): Promise<Status | null> {
	for (;;) {
		const status = await getStatus(source, proc);
		if (stopped()) return null;
		if (status.state === 'failed') throw new ApiError(500, `session ${source}: ${status.error}`);
		if (status.state === 'ready') return status;
		await new Promise((resolve) => setTimeout(resolve, 200));
		if (stopped()) return null;
	}
}

export function getSeries(source: string, level: number, from: number, n: number): Promise<Series> {
	return getJson(at(source, `series/${level}/${int(from)}?n=${n}`));
}

export async function getEdges(source: string, goids: number[], from: number,
	to: number): Promise<Edge[]> {
	const got = await getJson<{ edges: PackedEdge[] }>(
		at(source, `edges?goids=${goids.join(',')}&from=${int(from)}&to=${int(to)}`));
	return got.edges.map((e) => ({ time: e[EDGE.time], from: e[EDGE.from], to: e[EDGE.to], kind: e[EDGE.kind] as Edge['kind'] }));
}

// 1,2,3,7 -> "1-3,7": short enough for an address. Those that cannot be told apart are not in it.
export function goidList(goids: number[]): string {
	const sorted = goids.filter(tellable).sort((a, b) => a - b);
	const parts: string[] = [];
	for (let i = 0; i < sorted.length;) {
		let k = i;
		while (k + 1 < sorted.length && sorted[k + 1] === sorted[k] + 1) k++;
		parts.push(k > i ? `${sorted[i]}-${sorted[k]}` : String(sorted[i]));
		i = k + 1;
	}
	return parts.join(',');
}
