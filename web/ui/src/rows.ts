// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The goroutines of the source: the table itself, and the list the views show of it.
import { at, getJson, tellable } from './api';
import { Columns, type StoredRow } from './columns';
import { ageOf, parseFilter, stateTime, waits } from './filter';
import { bytes, count, duration, goidOf, goidText, shortFunc } from './format';
import { inLane, Lanes, lanesOf, NO_LANE, type Lane } from './lanes';
import { inOrder } from './order';
import { ROW, RUNNABLE, RUNNING, STATES, SYSTEM, WAITING, type PackedRow, type SORT_KEYS } from 'contract';
import type { Row, UiSettings } from './types';

const FIRST_ROWS = 1000, MORE_ROWS = 20000;
const NUMBERS_EVERY_MS = 900; // or a ms for each hundred goroutines

interface RowsAnswer {
	now: number;
	kept: number;
	all: boolean;
	more?: boolean;
	rows: PackedRow[];
	texts: string[];
}

export class RowTable {
	readonly rows = new Map<number, StoredRow>();
	private columns = new Columns();
	private answers = 0; // those that had all rows, counted
	version = 0;
	private since = 0;
	private fullAt = 0;
	complete = false; // false: some goroutines have not come yet
	private lanes = new Lanes();
	private ended: Row[] = []; // those that need a lane
	gone = 0; // how many were dropped since somebody set it to 0

	constructor(readonly source: string, readonly origin: number) {}

	// Fetches what changed, and drops what the server dropped.
	async refresh(some: () => void = () => {}): Promise<void> {
		// The more there are the longer an answer keeps both sides busy: less often.
		if (!this.since || performance.now() - this.fullAt > Math.max(15000, this.rows.size)) return this.refreshAll(some);
		let after: number | string = 0, now = 0, kept = 0;
		for (let more = true; more;) {
			const got = await this.ask(this.since - 300e6, after, MORE_ROWS);
			this.take(got);
			after = got.rows[got.rows.length - 1]?.[ROW.goid] ?? 0;
			now ||= got.now; // what changes after its part came is asked for again
			more = !!got.more;
			kept = got.kept;
		}
		this.since = now;
		this.assign();
		if (this.rows.size !== kept) await this.dropGone(kept < this.rows.size / 2);
	}

	private assign(): void {
		this.lanes.assign(this.ended);
		this.ended = [];
		this.version++;
	}

	private numbersAt = -Infinity;

	// Those that came and went between two answers, of which nothing is kept: no answer has them again.
	private async dropGone(most: boolean): Promise<void> {
		if (!most && performance.now() - this.numbersAt < Math.max(NUMBERS_EVERY_MS, this.rows.size / 100)) return;
		this.numbersAt = performance.now();
		const before = this.rows.size;
		const { kept, goids } = await getJson<{ kept: number; goids: string }>(at(this.source, 'rows?numbers=1'));
		dropOthers(this.rows, goids);
		this.gone += before - this.rows.size;
		if (this.rows.size < kept) this.forget(); // some have not come
		this.version++;
	}

	// In parts: the first is small, so that something is seen at once, and none keeps the page from
	// drawing for long. `some` is told when a part of what was never seen has come.
	private async refreshAll(some: () => void): Promise<void> {
		let after: number | string = 0, since = 0, more = true;
		this.answers++;
		for (let limit = FIRST_ROWS; more; limit = MORE_ROWS) {
			const got = await this.ask(0, after, limit);
			this.take(got);
			more = !!got.more;
			since ||= got.now; // what changes after its part came is asked for again
			after = got.rows[got.rows.length - 1]?.[ROW.goid] ?? 0;
			if (more && !this.complete) {
				this.assign();
				some();
			}
		}
		for (const row of this.rows.values()) if (row.seen !== this.answers && this.rows.delete(row.goid)) this.gone++;
		this.columns.compact(this.rows);
		this.fullAt = performance.now();
		this.since = since;
		this.complete = true;
		this.assign();
	}

	// The next time everything again.
	forget(): void {
		this.since = 0;
	}

	private ask(since: number, after: number | string, limit: number): Promise<RowsAnswer> {
		return getJson<RowsAnswer>(at(this.source, `rows?since=${BigInt(Math.max(0, Math.round(since)))}` +
			(limit ? `&after=${after}&limit=${limit}` : '')));
	}

	private take({ rows, texts }: RowsAnswer): void {
		const ours = this.columns.intern(texts);
		for (const packed of rows) {
			const goid = goidOf(packed[ROW.goid]);
			let row = this.rows.get(goid);
			if (!row) this.rows.set(goid, row = this.columns.add());
			// A life that has a lane keeps it.
			if (row.take(packed, this.origin, ours) || !row.exited) row.lane = NO_LANE;
			if (row.exited && row.lane === NO_LANE) this.ended.push(row);
			row.seen = this.answers;
		}
	}
}

// Drops those whose numbers are not in the list, "1-3,7", ascending.
export function dropOthers<T>(rows: Map<number, T>, list: string): void {
	const parts = list.split(',').filter(Boolean).map((part) => part.split('-'));
	const ranges = parts.map((part) => part.map(Number));
	const before = rows.size, goids = [...rows.keys()].filter(tellable).sort((a, b) => a - b);
	let at = 0;
	for (const goid of goids) {
		while (at < ranges.length && ranges[at][ranges[at].length - 1] < goid) at++;
		if (at === ranges.length || goid < ranges[at][0]) rows.delete(goid);
	}
	if (goids.length === before) return;
	// Those above 2^53, by all of their digits.
	const large = parts.map((part) => part.map(BigInt)).filter((part) => part[part.length - 1] > Number.MAX_SAFE_INTEGER);
	for (const goid of [...rows.keys()].filter((goid) => !tellable(goid))) {
		const number = /^\d+$/.test(goidText(goid)) ? BigInt(goidText(goid)) : null;
		if (number !== null && !large.some((part) => part[0] <= number && number <= part[part.length - 1])) rows.delete(goid);
	}
}

// `text`: the value as it stands in the row; none where the row says it anyway.
interface Sort { label: string; value: (r: Row, now: number) => number | string; desc: boolean; text?: (v: number, now: number) => string }

// Of what goes on all the time no more than changes twice a second.
const long = (ns: number) => duration(ns < 1e9 ? ns : Math.floor(ns / 5e8) * 5e8);

// What the server sorts by, and what only needs the rows.
export const SORTS: Record<string, Sort> = {
	id: { label: 'Number', value: (r) => r.goid, desc: false },
	func: { label: 'Function', value: (r) => r.func, desc: false },
	age: { label: 'Age', value: (r, now) => ageOf(r, now), desc: true, text: long },
	since: { label: 'Time in state', value: (r, now) => (r.exited && r.exited <= now ? 0 : now - r.began), desc: true, text: long },
	waiting: { label: 'Time waiting', value: (r, now) => stateTime(r, WAITING, r.waiting, now), desc: true, text: long },
	runnable: { label: 'Time runnable', value: (r, now) => stateTime(r, RUNNABLE, r.runnable, now), desc: true, text: long },
	running: { label: 'Time running', value: (r, now) => stateTime(r, RUNNING, r.running, now), desc: true, text: long },
	alloc: { label: 'Bytes allocated', value: (r) => r.bytes, desc: true, text: bytes },
	events: { label: 'Events', value: (r) => r.events, desc: true, text: count },
	last: { label: 'Last event', value: (r) => r.last, desc: true, text: (v, now) => `${long(Math.max(0, now - v))} ago` },
} satisfies Record<(typeof SORT_KEYS)[number] | 'func' | 'running', Sort>;

// What a row is sorted by, as its label says it; '' for what the label has anyway.
export function sortText(sort: string, row: Row, now: number): string {
	const { value, text } = SORTS[sort] ?? SORTS.id;
	return text ? text(value(row, now) as number, now) : '';
}

// Who is in which group; `${group}:${key}` names one.
export const GROUPS: Record<string, { label: string; key: (r: Row) => string }> = {
	none: { label: 'No groups', key: () => '' },
	func: { label: 'By function', key: (r) => r.func || '(function unknown)' },
	state: { label: 'By state', key: (r) => STATES[r.state] },
	reason: { label: 'By wait reason', key: (r) => (waits(r.state) ? r.reason || '(reason unknown)' : STATES[r.state]) },
	parent: { label: 'By parent', key: (r) => (r.parent ? `goroutine ${r.parent}` : '(parent unknown)') },
	site: { label: 'By go statement', key: (r) => r.site || '(site unknown)' },
};

export interface Group {
	key: string;
	label: string;
	rows: Row[];
	collapsed: boolean;
}

// What the timeline shows from top to bottom: a group's head, a goroutine, or several short lives.
export type Entry = { group: Group; row?: undefined; lane?: undefined } | { row: Row; group?: undefined; lane?: undefined; pinned?: boolean } |
	{ lane: Lane; row?: undefined; group?: undefined };

interface Query {
	filter: string;
	sort: string;
	descending: boolean;
	group: string;
	pins: ReadonlySet<number>;
	opened: ReadonlySet<string>;
	hidden: ReadonlySet<number>;
	settings: UiSettings;
	window: [number, number] | null; // the visible time
}

export interface List {
	entries: Entry[];
	matched: Row[];
	total: number;
	error: string;
	index: (row: Row) => number; // of the entry that a goroutine is in; -1: none
}

// Exited ones stand last: they come and go with the visible time, and the others stay put.
function sorted(rows: Row[], sort: string, descending: boolean, now: number): Row[] {
	const { value } = SORTS[sort] ?? SORTS.id, living: Row[] = [], gone: Row[] = [];
	for (const r of rows) (r.exited && r.exited <= now ? gone : living).push(r);
	const list = inOrder(living, (r) => value(r, now), descending);
	// In the order in which they came: those that are about to leave the visible time stand last.
	const rest = sort === 'id' ? inOrder(gone, (r) => r.goid, !descending) : inOrder(gone, (r) => value(r, now), descending);
	for (const r of rest) list.push(r);
	return list;
}

// `now`: what is later does not exist yet (a replay's position).
export function buildList(table: RowTable, query: Query, now: number): List {
	let test = (_: Row, __: number) => true;
	let error = '';
	try {
		test = parseFilter(query.filter);
	} catch (e) {
		error = (e as Error).message;
	}
	const s = query.settings;
	const pinned: Row[] = [];
	const own: Row[] = [], short: Row[] = []; // those that share a row with others are told by it
	const shares = (r: Row) => s.lanes && r.lane !== NO_LANE && !!r.exited && r.exited <= now;
	for (const row of table.rows.values()) {
		if (row.created > now) continue;
		if (query.pins.has(row.goid)) {
			pinned.push(row);
			continue;
		}
		if (query.hidden.has(row.goid)) continue;
		if (!s.showSystem && row.flags & SYSTEM) continue;
		if (row.exited && row.exited <= now) {
			if (s.exited === 'none') continue;
			if (s.exited === 'screen' && query.window &&
				(row.exited < query.window[0] || row.created > query.window[1])) continue;
			if (s.exitedKeep && now - row.exited > s.exitedKeep * 1e9) continue;
		}
		if (test(row, now)) (shares(row) ? short : own).push(row);
	}
	const entries: Entry[] = sorted(pinned, query.sort, query.descending, now).map((row) => ({ row, pinned: true }));
	const matched = sorted(own, query.sort, query.descending, now);
	for (const row of short) matched.push(row);
	const within = (GROUPS[query.group] ?? GROUPS.none).key;
	const place = (row: Row) => { row.place = entries.length; };
	// Rows as they are, then the lanes of those that share one.
	const add = (rows: Row[]) => {
		const together: Row[] = [];
		for (const row of rows)
			if (shares(row)) together.push(row);
			else {
				place(row);
				entries.push({ row });
			}
		for (const lane of lanesOf(together, together.length ? within(together[0]) : '')) {
			lane.rows.forEach(place);
			entries.push({ lane });
		}
	};
	entries.forEach((e, i) => { e.row!.place = i; });
	if (query.group === 'none') {
		add(matched);
	} else {
		for (const group of groups(matched, query)) {
			entries.push({ group });
			if (!group.collapsed) add(group.rows);
		}
	}
	// A row that has none has the place of an earlier list.
	const index = (row: Row) => {
		const e = entries[row.place];
		return e && (e.row ? e.row.goid === row.goid : e.lane && inLane(e.lane, row)) ? row.place : -1;
	};
	return { entries, matched: [...pinned, ...matched], total: table.rows.size, error, index };
}

function groups(rows: Row[], query: Query): Group[] {
	const keyOf = (GROUPS[query.group] ?? GROUPS.none).key;
	const byKey = new Map<string, Group>();
	for (const row of rows) {
		const key = keyOf(row);
		let group = byKey.get(key);
		if (!group) {
			group = { key, label: query.group === 'func' ? shortFunc(key) : key, rows: [],
				collapsed: !query.opened.has(`${query.group}:${key}`) };
			byKey.set(key, group);
		}
		group.rows.push(row);
	}
	return [...byKey.values()].sort((a, b) => b.rows.length - a.rows.length || (a.key < b.key ? -1 : 1));
}
