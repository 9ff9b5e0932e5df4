// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The filter language, as core/view/filter.c reads it. tests/data/filter.json holds cases for both.
import { CGO, EXITED, FOUND, STATES, SYSTEM, UNCERTAIN, WAITING, type Row } from './types';

type Test = (row: Row, now: number) => boolean;

const UNITS: Record<string, number> = { '': 1, ns: 1, us: 1e3, 'µs': 1e3, ms: 1e6, s: 1e9, m: 60e9,
	h: 3600e9, b: 1, kb: 1e3, mb: 1e6, gb: 1e9 };

const FLAGS: Record<string, number> = { exited: EXITED, system: SYSTEM, cgo: CGO, found: FOUND,
	uncertain: UNCERTAIN };

export function stateTime(row: Row, state: number, total: number, now: number): number {
	const open = row.state === state && !row.exited ? Math.max(0, now - row.since) : 0;
	return total + open;
}

const end = (row: Row, now: number) => row.exited || now;

const NUMBERS: Record<string, (row: Row, now: number) => number> = {
	id: (r) => r.goid,
	goid: (r) => r.goid,
	parent: (r) => r.parent,
	age: (r, now) => Math.max(0, end(r, now) - r.created),
	since: (r, now) => Math.max(0, end(r, now) - r.since),
	waiting: (r, now) => stateTime(r, WAITING, r.waiting, now),
	runnable: (r, now) => stateTime(r, 1, r.runnable, now),
	alloc: (r) => r.bytes,
	events: (r) => r.events,
	children: (r) => r.children,
};

const stateName = (r: Row) => (r.flags & EXITED ? 'exited' : STATES[r.state] ?? '');
const siteFunc = (r: Row) => r.site.replace(/ \(.*:\d+\)$/, '');

const TEXTS: Record<string, (row: Row) => string | null> = {
	state: stateName,
	wait: (r) => (r.state === WAITING && !(r.flags & EXITED) ? r.reason : null),
	reason: (r) => (r.state === WAITING && !(r.flags & EXITED) ? r.reason : null),
	func: (r) => r.func,
	site: siteFunc,
	by: siteFunc,
};

function globs(text: string): RegExp[] {
	return text.split(',').flatMap((part) => [part, part.replace(/_/g, ' ')]).map((part) =>
		new RegExp('^' + part.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*')
			.replace(/\?/g, '.') + '$', 'is'));
}

function number(text: string): number | null {
	const m = /^([0-9.]+)(.*)$/s.exec(text);
	if (!m || isNaN(Number(m[1])) || m[1].endsWith('.') && m[1].length === 1) return null;
	const unit = UNITS[m[2].toLowerCase()];
	if (unit === undefined) return null;
	const value = Number(m[1]) * unit;
	return value < 2 ** 64 ? value : null; // the server's are whole numbers of 64 bits
}

function anywhere(text: string): Test {
	const t = text.toLowerCase();
	return (r) => String(r.goid) === text || r.func.toLowerCase().includes(t) ||
		r.reason.toLowerCase().includes(t) || siteFunc(r).toLowerCase().includes(t);
}

function parseTerm(term: string): Test {
	const m = /^([^:<>=]*)([:<>=])(.*)$/s.exec(term);
	const key = m?.[1].toLowerCase() ?? '';
	const known = key in NUMBERS || key in TEXTS || key === 'flag';
	if (!m || !known) {
		if (m && m[2] !== ':') throw new Error(`no such key: "${term}"`);
		return anywhere(term);
	}
	let op = m[2] === '=' ? ':' : m[2];
	let value = m[3];
	if (value.startsWith('=') && op !== ':') {
		op += '=';
		value = value.slice(1);
	}
	if (!value) throw new Error(`a value is missing: "${term}"`);
	if (key in NUMBERS) {
		const want = number(value);
		const get = NUMBERS[key];
		if (want === null) throw new Error(`not a number: "${term}"`);
		if (op === '>') return (r, now) => get(r, now) > want;
		if (op === '>=') return (r, now) => get(r, now) >= want;
		if (op === '<') return (r, now) => get(r, now) < want;
		if (op === '<=') return (r, now) => get(r, now) <= want;
		return (r, now) => get(r, now) === want;
	}
	if (op !== ':') throw new Error(`only ':' goes with this key: "${term}"`);
	const res = globs(value);
	if (key === 'flag')
		return (r) => Object.entries(FLAGS).some(([name, bit]) =>
			r.flags & bit && res.some((re) => re.test(name))) ||
			!(r.flags & EXITED) && res.some((re) => re.test('live'));
	const get = TEXTS[key];
	return (r) => {
		const text = get(r);
		return text !== null && res.some((re) => re.test(text));
	};
}

// Throws with one line of reason.
export function parseFilter(text: string): Test {
	const tests: Test[] = [];
	for (const word of text.split(/[ \t]+/)) {
		if (!word) continue;
		if (word.startsWith('-') && word.length > 1) {
			const inner = parseTerm(word.slice(1));
			tests.push((r, now) => !inner(r, now));
		} else {
			tests.push(parseTerm(word));
		}
	}
	if (tests.length > 16) throw new Error('too many terms');
	return (r, now) => tests.every((test) => test(r, now));
}
