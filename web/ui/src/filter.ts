// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The filter language, as core/view/filter.c reads it. tests/data/filter.json holds cases for both.
import { DEAD, DEAD_ALIAS, EXITED, FOUND, LEAKED, FILTER_FLAGS, FILTER_FLAG_WORDS, FILTER_KEYS, FILTER_KEY_WORDS, FILTER_STATE_WORDS, FILTER_TERMS_MAX,
	FILTER_TEXT_MAX, FILTER_UNITS, FILTER_UNIT_WORDS, RUNNABLE, STATES, WAITING, WAIT_KINDS, type FilterNumber, type FilterText } from 'contract';
import { goidText } from './format';
import type { Row } from './types';
import { kindOf } from './waitkind';

type Test = (row: Row, now: number) => boolean;

// By whatever name: `in` would find what every object has, such as "constructor".
const look = <V>(table: Readonly<Record<string, V>>, name: string): V | undefined => (Object.keys(table).includes(name) ? table[name] : undefined);

export function stateTime(row: Row, state: number, total: number, now: number): number {
	const open = row.state === state && !row.exited ? Math.max(0, now - row.since) : 0;
	return total + open;
}

// One that was found is as old as its wait, at least.
export const ageOf = (row: Row, now: number) =>
	Math.max(0, (row.exited || now) - (row.flags & FOUND ? Math.min(row.created, row.began) : row.created));

// One that Go marked as leaked waits.
export const waits = (state: number) => state === WAITING || state === LEAKED;

const NUMBERS: Record<FilterNumber, (row: Row, now: number) => number> = {
	id: (r) => r.goid,
	parent: (r) => r.parent,
	age: ageOf,
	since: (r, now) => Math.max(0, now - r.began),
	waiting: (r, now) => stateTime(r, WAITING, r.waiting, now),
	runnable: (r, now) => stateTime(r, RUNNABLE, r.runnable, now),
	alloc: (r) => r.bytes,
	events: (r) => r.events,
	children: (r) => r.children,
};

const siteFunc = (r: Row) => r.site.replace(/ \(.*:\d+\)$/, '');

const stateWords = (state: number) => (state === DEAD ? [STATES[DEAD], DEAD_ALIAS] : [STATES[state] ?? '']);

const TEXTS: Record<Exclude<FilterText, 'state' | 'flag' | 'was'>, (row: Row) => string | null> = {
	wait: (r) => (waits(r.state) ? r.reason : null),
	func: (r) => r.func,
	site: siteFunc,
};

const fault = (what: string, term: string) => new Error(`${what}: "${term.slice(0, 60)}"`);

function globs(part: string): RegExp[] {
	return [part, part.replace(/_/g, ' ')].map((text) =>
		new RegExp('^' + text.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*')
			.replace(/\?/g, '.') + '$', 'is'));
}

// The expressions that `value` stands for. `words`: all there are; an alternative that is none of
// them is a slip, and would match nothing for ever.
function alternatives(value: string, key: string, words: string[], named: string): RegExp[] {
	return value.split(',').flatMap((part) => {
		const res = globs(part);
		if (words.length && !words.some((word) => res.some((re) => re.test(word))))
			throw new Error(`no such ${key}: "${part.slice(0, 30)}"; there are ${named}`);
		return res;
	});
}

function number(text: string): number | null {
	const m = /^([0-9.]+)(.*)$/s.exec(text);
	if (!m || isNaN(Number(m[1])) || m[1].endsWith('.') && m[1].length === 1) return null;
	const unit = look(FILTER_UNITS, m[2].toLowerCase());
	if (unit === undefined) return null;
	return Number(m[1]) * unit;
}

function anywhere(text: string): Test {
	const t = text.toLowerCase();
	return (r) => goidText(r.goid) === text || r.func.toLowerCase().includes(t) ||
		(waits(r.state) && r.reason.toLowerCase().includes(t)) || siteFunc(r).toLowerCase().includes(t);
}

// `ranged`: a time is asked about, so that was: may be; who was in what then, the server knows: it holds here.
function parseTerm(term: string, ranged: boolean): Test {
	const m = /^([^:<>=]*)([:<>=])(.*)$/s.exec(term);
	const key = look(FILTER_KEYS, m?.[1].toLowerCase() ?? '');
	if (!m || !key) {
		// With a ':' it is in hardly any name: a slip.
		if (m) throw new Error(`no such key: "${term.slice(0, 30)}"; there are ${FILTER_KEY_WORDS}`);
		return anywhere(term);
	}
	let op = m[2] === '=' ? ':' : m[2];
	let value = m[3];
	const get = look<(row: Row, now: number) => number>(NUMBERS, key);
	if (get && m[2] === ':' && /^[<>]/.test(value)) { // key:>value, as others write key>value
		op = value[0];
		value = value.slice(1);
	}
	if (value.startsWith('=') && op !== ':') {
		op += '=';
		value = value.slice(1);
	}
	if (!value) throw fault('a value is missing', term);
	if (get) {
		const want = number(value);
		if (want === null) throw new Error(`not a number: "${term.slice(0, 60)}"; units are ${FILTER_UNIT_WORDS}`);
		if (want >= 2 ** 64) throw fault('the number is too large', term); // the server's have 64 bits
		if (op === '>') return (r, now) => get(r, now) > want;
		if (op === '>=') return (r, now) => get(r, now) >= want;
		if (op === '<') return (r, now) => get(r, now) < want;
		if (op === '<=') return (r, now) => get(r, now) <= want;
		return (r, now) => get(r, now) === want;
	}
	if (op !== ':') throw fault("only ':' goes with this key", term);
	if (key === 'flag') {
		const res = alternatives(value, key, Object.keys(FILTER_FLAGS), FILTER_FLAG_WORDS);
		const bits = Object.entries(FILTER_FLAGS).filter(([name]) => res.some((re) => re.test(name))).map(([, bit]) => bit);
		return (r) => bits.some((bit) => (bit ? r.flags & bit : !(r.flags & EXITED)));
	}
	if (key === 'state') {
		const res = alternatives(value, key, STATES.flatMap((_, i) => stateWords(i)), FILTER_STATE_WORDS);
		const states = STATES.map((_, i) => stateWords(i).some((word) => res.some((re) => re.test(word))));
		return (r) => states[r.state];
	}
	if (key === 'was') {
		if (!ranged) throw fault('was: is of a selected time: drag over the ruler, then filter what is selected', term);
		return () => true;
	}
	const res = alternatives(value, key, [], '');
	const textOf = TEXTS[key as keyof typeof TEXTS];
	return (r) => {
		const text = textOf(r);
		if (text === null) return false;
		// A reason also by its kind.
		return res.some((re) => re.test(text) || (key === 'wait' && re.test(WAIT_KINDS[kindOf(text)])));
	};
}

// Throws with one line of reason.
export function parseFilter(text: string, ranged = false): Test {
	const tests: Test[] = [];
	if (new TextEncoder().encode(text).length >= FILTER_TEXT_MAX) throw fault('too long', text);
	for (const word of text.split(/[ \t]+/)) {
		if (!word) continue;
		if (tests.length === FILTER_TERMS_MAX) throw fault('too many terms', word);
		if (word.startsWith('-') && word.length > 1) {
			const inner = parseTerm(word.slice(1), ranged), was = /^was[:=]/i.test(word.slice(1));
			tests.push((r, now) => was || !inner(r, now));
		} else {
			tests.push(parseTerm(word, ranged));
		}
	}
	return (r, now) => tests.every((test) => test(r, now));
}

const WORD_MOST = 200; // a filter has no room for some names: their end tells more than their beginning

// A name as one word of a filter: what would part it stands as "any character".
export const word = (name: string) => `${name.length > WORD_MOST ? '*' : ''}${name.slice(-WORD_MOST).replace(/ /g, '_').replace(/[\s,]/g, '?')}`;

// What the word that is being typed may become, as the whole text: keys, and the values of those that have
// names; of `func:` the names of functions that begin so or have it.

export function completions(text: string, functions: () => string[], ranged = false): string[] {
	const at = Math.max(text.lastIndexOf(' '), text.lastIndexOf('\t')) + 1, minus = text[at] === '-' && text.length > at + 1 ? '-' : '', last = text.slice(at + minus.length);
	const m = /^([a-z]+):(.*)$/i.exec(last), lower = (m ? m[2] : last).toLowerCase(), comma = lower.lastIndexOf(',') + 1, begun = lower.slice(comma);
	const before = text.slice(0, at) + minus + (m ? last.slice(0, last.length - lower.length + comma) : '');
	if (!last) return [];
	if (!m) return FILTER_KEY_WORDS.split(' ').filter((key) => key.startsWith(lower) && (ranged || key !== 'was')).map((key) => before + key + (key in NUMBERS ? '>' : ':'));
	const key = look(FILTER_KEYS, m[1].toLowerCase());
	const values = key === 'state' ? FILTER_STATE_WORDS.split(' ') : key === 'flag' ? FILTER_FLAG_WORDS.split(' ') : key === 'wait' ? [...WAIT_KINDS] : key === 'was' && ranged ? [...WAIT_KINDS, ...FILTER_STATE_WORDS.split(' ')] :
		key === 'func' ? functions().filter((name) => name.toLowerCase().includes(begun)).map(word) : [];
	return values.filter((v) => (key === 'func' || v.startsWith(begun)) && v !== begun).slice(0, 12).map((v) => before + v);
}
