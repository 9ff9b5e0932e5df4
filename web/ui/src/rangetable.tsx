// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The selected time by one key, in pages; and the same beside a time that was kept, what differs most first.
import { useEffect, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { app, type Kept, type RangeBy } from './app';
import { at, getJson, int, untilReady } from './api';
import { copyText } from './clipboard';
import { swatch } from './colors';
import { word } from './filter';
import { csvOf, difference, figure, ratio, type Unit } from './figures';
import { brief, bytes, duration, exact } from './format';
import { goTo } from './goto';
import { useValue } from './store';
import { stateNumber } from './types';
import { WAITING } from 'contract';

interface Row {
	key: string;
	function: string | null;
	goroutines: number;
	stays: number;
	total_ns: number;
	max_ns: number;
	running_ns: number;
	runnable_ns: number;
	waiting_ns: number;
	syscall_ns: number;
	allocations: number | null;
	alloc_bytes: number | null;
}
interface Table { by: string; total: number; sum: { stays: number; total_ns: number; allocations: number; alloc_bytes: number; goroutines: number }; rows: Row[] }

export const BY_WORDS: Record<RangeBy, [string, string]> = {
	state: ['State', 'Time in each state'],
	reason: ['Reason', 'Why they waited'],
	function: ['Function', 'By start function'],
	waker: ['Waker', 'Who ended their waits'],
	site: ['Go statement', 'Where they were made'],
	caller: ['Allocation', 'Where they allocated, by events'],
};
const PAGE = 50, COMPARED_MAX = 5000;

interface Column { id: string; label: string; unit: Unit; sort?: string; value: (r: Row) => number | null; fixed?: boolean }
const COLUMNS: Record<string, Column> = {
	goroutines: { id: 'goroutines', label: 'Goroutines', unit: 'count', sort: 'goroutines', value: (r) => r.goroutines, fixed: true },
	stays: { id: 'stays', label: 'Stays', unit: 'count', sort: 'stays', value: (r) => r.stays },
	time: { id: 'time', label: 'Time', unit: 'ns', sort: 'time', value: (r) => r.total_ns },
	longest: { id: 'longest', label: 'Longest', unit: 'ns', sort: 'longest', value: (r) => r.max_ns, fixed: true },
	running: { id: 'running', label: 'Running', unit: 'ns', value: (r) => r.running_ns },
	runnable: { id: 'runnable', label: 'Runnable', unit: 'ns', value: (r) => r.runnable_ns },
	waiting: { id: 'waiting', label: 'Waiting', unit: 'ns', value: (r) => r.waiting_ns },
	syscall: { id: 'syscall', label: 'Syscall', unit: 'ns', value: (r) => r.syscall_ns },
	allocations: { id: 'allocations', label: 'Allocations', unit: 'count', sort: 'allocations', value: (r) => r.allocations },
	bytes: { id: 'bytes', label: 'Bytes', unit: 'bytes', sort: 'bytes', value: (r) => r.alloc_bytes },
};
const WAITS = ['goroutines', 'stays', 'time', 'longest'];
const LIVES = [...WAITS, 'running', 'runnable', 'waiting', 'syscall', 'allocations', 'bytes'];
const SHOWN: Record<RangeBy, string[]> = { state: ['stays', 'time', 'longest'], reason: WAITS, waker: WAITS, function: LIVES, site: LIVES, caller: ['goroutines', 'allocations', 'bytes'] };
const columnsOf = (by: RangeBy) => SHOWN[by].map((id) => COLUMNS[id]);

const dot = (by: RangeBy, key: string) => {
	const look = app.look.get(), state = stateNumber(key.replace(/^\(|\)$/g, ''));
	if (by !== 'reason' && by !== 'state') return null;
	return <i class="dot" style={{ background: state >= 0 ? swatch(look, state) : swatch(look, WAITING, key) }} />;
};

const siteOf = (key: string) => key.replace(/ \(.*$/, '');

// A row leads on: to who woke, or to who was in it.
function follow(by: RangeBy, key: string): (() => void) | null {
	const ranged = (term: string) => () => app.ranged.update({ filter: term });
	if (by === 'waker') return /^\d+$/.test(key) ? () => goTo(Number(key)) : null;
	if (by === 'reason') return key === '(reason unknown)' ? null : ranged(`was:${word(key.replace(/^\((state )?|\)$/g, ''))}`);
	if (key.startsWith('(')) return null;
	if (by === 'function') return ranged(`func:${word(key)}`);
	// A filter tells no lines of a function apart: what it takes in is said.
	if (by === 'site') return () => {
		app.say(`Made in ${siteOf(key)}, at any of its lines`);
		app.ranged.update({ filter: `site:${word(siteOf(key))}` });
	};
	return null;
}
const FOLLOWS: Partial<Record<RangeBy, string>> = { waker: 'Go to it', reason: 'Only who was in it', function: 'Only these', site: 'Only those made in this function, at any of its lines' };

function Name({ by, row }: { by: RangeBy; row: { key: string; function?: string | null } }) {
	const on = follow(by, row.key);
	return <td class="mono name" title={row.key}>{dot(by, row.key)}{on ? <button class="link" title={FOLLOWS[by]} onClick={on}>{brief(row.key)}</button> : brief(row.key)}
		{row.function ? <span class="muted small"> {brief(row.function)}</span> : null}</td>;
}

// Which rows of how many these are, and the way to the others.
function Pager({ page, total, none, go, children }: { page: number; total: number; none: string; go: (page: number) => void; children?: ComponentChildren }) {
	const first = page * PAGE, end = Math.min(first + PAGE, total);
	return <div class="pager"><span class="muted">{total ? `${exact(first + 1)}–${exact(end)} of ${exact(total)}` : none}{children}</span>
		{total > PAGE ? <><button disabled={!page} onClick={() => go(page - 1)}>‹ Page</button><button disabled={end >= total} onClick={() => go(page + 1)}>Page ›</button></> : null}</div>;
}

export function RangeTable({ which, by }: { which: string; by: RangeBy }) {
	const usual = by === 'caller' ? 'bytes' : 'time';
	const [sort, setSort] = useState(usual);
	const [page, setPage] = useState(0);
	const [got, setGot] = useState<{ of: string; table: Table } | null>(null);
	const [problem, setProblem] = useState('');
	const there = !useValue(app.lostAt), shown = columnsOf(by), order = sort === 'key' || shown.some((c) => c.sort === sort) ? sort : usual;
	const asked = `range_by?${which}&by=${by}&sort=${order}&offset=${page * PAGE}&limit=${PAGE}`;
	useEffect(() => setPage(0), [which, by, order]);
	useEffect(() => {
		let stale = false;
		const timer = setTimeout(() => {
			getJson<Table>(at(app.source.get(), asked)).then((table) => { if (!stale) setGot({ of: `${which} ${by}`, table }), setProblem(''); }).catch((e) => { if (!stale) setGot(null), setProblem((e as Error).message); });
		}, 100);
		return () => {
			stale = true;
			clearTimeout(timer);
		};
	}, [asked, there]);
	if (got?.of !== `${which} ${by}`) return problem ? <div class="note bad" role="alert">{problem}</div> : <div class="empty">…</div>;
	const { total, sum, rows } = got.table;
	const main = COLUMNS[usual], all = (by === 'caller' ? sum.alloc_bytes : sum.total_ns) || 1;
	const head = (id: string, label: string, cls: string) => (
		<th class={cls} aria-sort={order === id ? (id === 'key' ? 'ascending' : 'descending') : 'none'}><button class="link" onClick={() => setSort(id)}>{label}{order === id ? id === 'key' ? ' ↑' : ' ↓' : ''}</button></th>);
	return <div class="range-by">
		<div class="range-scroll" tabIndex={0} role="region" aria-label={`Selected time, ${BY_WORDS[by][1]}`}><table>
			<thead><tr>{head('key', BY_WORDS[by][0], '')}{shown.map((c) => (c.sort ? head(c.sort, c.label, 'num') : <th class="num">{c.label}</th>))}<th>Share</th></tr></thead>
			<tbody>{rows.map((r) => {
				const share = 100 * (main.value(r) ?? 0) / all;
				return <tr><Name by={by} row={r} />{shown.map((c) => <td class="num">{figure(c.value(r), c.unit)}</td>)}
					<td><div class="share"><i style={{ width: `${share}%` }} />{share.toFixed(1)}%</div></td></tr>;
			})}</tbody></table></div>
		<Pager page={page} total={total} none="Nothing in it" go={setPage}>
			{total ? `; all: ${exact(sum.goroutines)} goroutines, ${by === 'caller' ? `${exact(sum.allocations)} allocations, ${bytes(sum.alloc_bytes)}` : `${exact(sum.stays)} stays, ${duration(sum.total_ns)}`}` : ''}</Pager>
	</div>;
}

// --- beside another time -------------------------------------------------------------------------------

interface Side { rows: Map<string, Row>; total: number; seconds: number }
interface RangeStats { states: { state: string; total_ns: number; stays: number; max_ns: number }[] }

// Numbers of goroutines mean nothing in another run: wakers are held against each other by function then.
const keyFor = (by: RangeBy, other: boolean) => (by === 'waker' && other ? 'waker_function' : by);

async function load(source: string, proc: number, query: string, by: string, sort: string): Promise<{ rows: Map<string, Row>; total: number }> {
	if (by === 'state') {
		const { states } = await getJson<RangeStats>(at(source, `range?${query}`, proc));
		return { total: states.length, rows: new Map(states.map((s) => [s.state, { key: s.state, stays: s.stays, total_ns: s.total_ns, max_ns: s.max_ns } as Row])) };
	}
	const got = await getJson<Table>(at(source, `range_by?${query}&by=${by}&sort=${sort}&limit=${COMPARED_MAX}`, proc));
	return { total: got.total, rows: new Map(got.rows.map((r) => [r.key, r])) };
}

interface Line { key: string; a: number; b: number }

interface Pair { a: Side; b: Side }

function usePair(which: string, seconds: number, by: RangeBy, kept: Kept, filter: string, sort: string): { pair: Pair | null; problem: string } {
	const source = app.source.get(), proc = app.proc.get(), other = kept.source !== source || kept.proc !== proc;
	const of = [which, by, sort, filter, JSON.stringify(kept)].join('\n');
	const [got, setGot] = useState<{ of: string; pair: Pair | null; problem: string }>({ of: '', pair: null, problem: '' });
	useEffect(() => {
		let stale = false;
		const both = async () => {
			await untilReady(kept.source, kept.proc, () => stale);
			if (stale) return;
			const key = keyFor(by, other), query = `from=${int(kept.from)}&to=${int(kept.to)}&filter=${encodeURIComponent(filter)}`;
			const [a, b] = await Promise.all([load(source, proc, which, key, sort), load(kept.source, kept.proc, query, key, sort)]);
			if (!stale) setGot({ of, problem: '', pair: { a: { ...a, seconds }, b: { ...b, seconds: (kept.to - kept.from) / 1e9 } } });
		};
		both().catch((e) => { if (!stale) setGot({ of, pair: null, problem: (e as Error).message }); });
		return () => { stale = true; };
	}, [of]);
	return got.of === of ? got : { pair: null, problem: '' };
}

interface CompareProps { which: string; seconds: number; by: RangeBy; kept: Kept; filter: string }

export function RangeCompare({ which, seconds, by, kept, filter }: CompareProps) {
	const columns = columnsOf(by), usual = by === 'caller' ? 'bytes' : 'time';
	const [metric, setMetric] = useState(usual);
	const [rate, setRate] = useState(Math.abs(seconds * 1e9 / (kept.to - kept.from) - 1) > 0.01);
	const [page, setPage] = useState(0);
	const [copied, setCopied] = useState(false);
	const column = columns.find((c) => c.id === metric) ?? COLUMNS[usual];
	const { pair, problem } = usePair(which, seconds, by, kept, filter, column.sort ?? usual);
	useEffect(() => { setPage(0); setCopied(false); }, [which, by, metric, rate]);
	if (problem) return <div class="note bad">B: {problem}</div>;
	if (!pair) return <div class="empty">…</div>;
	const per = (side: Side) => (rate && !column.fixed ? side.seconds : 1);
	const value = (side: Side, key: string) => { const r = side.rows.get(key); return r ? (column.value(r) ?? 0) / per(side) : 0; };
	const cut = pair.a.total > pair.a.rows.size || pair.b.total > pair.b.rows.size;
	// Of a key that one side may merely have cut off, nothing is known there.
	const keys = [...new Set([...pair.a.rows.keys(), ...pair.b.rows.keys()])].filter((key) => !cut || (pair.a.rows.has(key) && pair.b.rows.has(key)));
	const lines = keys.map((key): Line => ({ key, a: value(pair.a, key), b: value(pair.b, key) })).filter((l) => l.a || l.b)
		.sort((x, y) => Math.abs(y.a - y.b) - Math.abs(x.a - x.b) || (x.key < y.key ? -1 : 1));
	const first = page * PAGE, most = Math.max(1e-9, ...lines.map((l) => Math.abs(l.a - l.b))), other = kept.source !== app.source.get() || kept.proc !== app.proc.get();
	return <div class="range-by">
		<div class="pager">
			<select aria-label="What is compared" value={column.id} onChange={(e) => setMetric(e.currentTarget.value)}>{columns.map((c) => <option value={c.id}>{c.label}</option>)}</select>
			<label class="check" title="Divided by the length of each time"><input type="checkbox" checked={rate} onChange={(e) => setRate(e.currentTarget.checked)} />a second</label>
			<button onClick={() => void copyText(csvOf('A', 'B', lines.map((l) => ({ ...l, name: l.key, unit: column.unit, difference: l.a - l.b })))).then(() => setCopied(true)).catch((e) => app.fail(e))}>{copied ? 'Copied' : 'Copy CSV'}</button>
			<span class="muted">A: {duration(pair.a.seconds * 1e9)} selected; B: {duration(pair.b.seconds * 1e9)} of {kept.source === 'live' ? 'what is live' : `session ${kept.source.slice(0, 8)}`}
				{by === 'waker' && other ? '; wakers by their function, as numbers differ from run to run' : ''}</span>
			{cut ? <b class="warn">More than {exact(COMPARED_MAX)} rows: only those among the first {exact(COMPARED_MAX)} of both are compared</b> : null}</div>
		<div class="range-scroll" tabIndex={0} role="region" aria-label="A and B, what differs most first"><table>
			<thead><tr><th>{BY_WORDS[by][0]}</th><th class="num">A{rate && !column.fixed ? ' a second' : ''}</th><th class="num">B{rate && !column.fixed ? ' a second' : ''}</th><th class="num" aria-sort="descending">A − B ↓</th><th class="num">A : B</th><th class="bars" /></tr></thead>
			<tbody>{lines.slice(first, first + PAGE).map((l) => (
				<tr><Name by={by === 'waker' && other ? 'caller' : by} row={l} /><td class="num">{figure(l.a, column.unit)}</td><td class="num">{figure(l.b, column.unit)}</td>
					<td class="num"><b class={l.a === l.b ? 'muted' : ''}>{difference(l.a - l.b, column.unit)}</b></td>
					<td class="num muted">{ratio(l.a, l.b, l.a / l.b)}</td>
					<td class="bars"><i style={{ width: `${100 * Math.abs(l.a - l.b) / most}%` }} /></td></tr>))}</tbody></table></div>
		<Pager page={page} total={lines.length} none="Nothing in either" go={setPage} />
	</div>;
}
