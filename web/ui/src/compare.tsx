// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two recordings side by side, or one and what is live: what differs, by state, function and type.
import { useEffect, useState } from 'preact/hooks';
import { app } from './app';
import { at, getJson, getSessions, untilReady } from './api';
import { csvOf, difference, figure, ratio, type Unit } from './figures';
import { clock, exact } from './format';
import { copyText } from './clipboard';
import { Rest, ROWS_MOST } from './rest';
import { useValue } from './store';
import { lengthOf, sum, type Session, type Status } from './types';

interface Counts { goroutines: number; live: number; alloc_bytes: number; events: number; state_ns: Record<string, number> }
interface Summary extends Counts {
	exited_dropped: number;
	states: Record<string, number>;
	functions: (Counts & { function: string | null })[];
}
interface TypeRow { kind: string; type: string | null; count: number; bytes: number | null }

interface Side {
	status: Status;
	summary: Summary;
	types: TypeRow[];
	seconds: number;
}

interface Line { name: string; a: number; b: number; unit: Unit; fixed?: boolean }

const SECTIONS: [Section, string][] = [['totals', 'Totals'], ['states', 'States'], ['functions', 'Functions'], ['types', 'Types']];
type Section = 'totals' | 'states' | 'functions' | 'types';

const FUNCTION_METRICS: Record<string, { label: string; unit: Unit; value: (c: Counts) => number }> = {
	alloc_bytes: { label: 'Bytes allocated', unit: 'bytes', value: (c) => c.alloc_bytes },
	goroutines: { label: 'Goroutines', unit: 'count', value: (c) => c.goroutines },
	live: { label: 'Live at the end', unit: 'count', value: (c) => c.live },
	events: { label: 'Events', unit: 'count', value: (c) => c.events },
	running: { label: 'Time running', unit: 'ns', value: (c) => c.state_ns.running ?? 0 },
	runnable: { label: 'Time runnable', unit: 'ns', value: (c) => c.state_ns.runnable ?? 0 },
	waiting: { label: 'Time waiting', unit: 'ns', value: (c) => c.state_ns.waiting ?? 0 },
	syscall: { label: 'Time in syscalls', unit: 'ns', value: (c) => c.state_ns.syscall ?? 0 },
};
const TYPE_METRICS: Record<string, { label: string; unit: Unit; value: (t: TypeRow) => number }> = {
	bytes: { label: 'Bytes', unit: 'bytes', value: (t) => t.bytes ?? 0 },
	count: { label: 'Count', unit: 'count', value: (t) => t.count },
};

// "live", or a session's id, with ":2" behind it for its third process.
const split = (name: string): [string, number] => [name.split(':')[0], Number(name.split(':')[1] ?? 0)];

async function loadSide(name: string, stopped: () => boolean): Promise<Side | null> {
	const [source, proc] = split(name);
	const status = await untilReady(source, proc, stopped);
	if (!status) return null;
	const [summary, types] = await Promise.all([getJson<Summary>(at(source, 'summary', proc)), getJson<TypeRow[]>(at(source, 'types', proc))]);
	return { status, summary, types, seconds: Math.max(1e-9, lengthOf(status) / 1e9) };
}

function useSide(name: string): { side: Side | null; problem: string } {
	const [got, setGot] = useState<{ name: string; side: Side | null; problem: string }>({ name: '', side: null, problem: '' });
	useEffect(() => {
		if (!name) return;
		let stopped = false;
		loadSide(name, () => stopped).then((side) => { if (side && !stopped) setGot({ name, side, problem: '' }); })
			.catch((e) => { if (!stopped) setGot({ name, side: null, problem: (e as Error).message }); });
		return () => { stopped = true; };
	}, [name]);
	return got.name === name ? got : { side: null, problem: '' };
}

// The same keys of both, in one line each.
function join(a: Map<string, number>, b: Map<string, number>, unit: Unit): Line[] {
	return [...new Set([...a.keys(), ...b.keys()])].map((name) => ({ name, a: a.get(name) ?? 0, b: b.get(name) ?? 0, unit }));
}

function totals(a: Side, b: Side): Line[] {
	const line = (name: string, unit: Unit, value: (s: Side) => number, fixed = false): Line => ({ name, a: value(a), b: value(b), unit, fixed });
	return [
		line('length', 'ns', (s) => s.seconds * 1e9, true),
		line('events', 'count', (s) => sum(s.status.events)),
		...Object.keys(a.status.events).map((e) => line(`  ${e}`, 'count', (s) => s.status.events[e] ?? 0)),
		line('events lost', 'count', (s) => s.status.lost_events),
		line('goroutines created', 'count', (s) => s.status.created),
		line('goroutines exited', 'count', (s) => s.status.exited),
		line('goroutines live at the end', 'count', (s) => s.status.live_total, true),
		line('bytes allocated', 'bytes', (s) => s.status.alloc_bytes),
	];
}

function lines(section: Section, metric: string, a: Side, b: Side): Line[] {
	if (section === 'totals') return totals(a, b);
	if (section === 'states') {
		const of = (s: Side, key: 'states' | 'state_ns', tail: string) =>
			new Map(Object.entries(s.summary[key]).map(([k, v]) => [`${k}${tail}`, v]));
		return [...join(of(a, 'states', ': goroutines at the end'), of(b, 'states', ': goroutines at the end'), 'count').map((l) => ({ ...l, fixed: true })),
			...join(of(a, 'state_ns', ': time of all'), of(b, 'state_ns', ': time of all'), 'ns')];
	}
	if (section === 'functions') {
		const m = FUNCTION_METRICS[metric] ?? FUNCTION_METRICS.alloc_bytes;
		const of = (s: Side) => new Map(s.summary.functions.map((f) => [f.function || '(function unknown)', m.value(f)]));
		return join(of(a), of(b), m.unit).map((l) => ({ ...l, fixed: metric === 'live' }));
	}
	const m = TYPE_METRICS[metric] ?? TYPE_METRICS.bytes;
	const of = (s: Side) => {
		const by = new Map<string, number>();
		for (const t of s.types) {
			const name = `${t.kind === 'makeslice' ? '[]' : ''}${t.type || '(type unknown)'}`;
			by.set(name, (by.get(name) ?? 0) + m.value(t));
		}
		return by;
	};
	return join(of(a), of(b), m.unit);
}

const grown = (l: Line) => (!l.a && !l.b ? 1 : l.a ? l.b / l.a : Infinity);

const COLUMNS: [string, string, (l: Line) => number | string][] = [
	['Name', '', (l) => l.name],
	['A', 'num', (l) => l.a],
	['B', 'num', (l) => l.b],
	['B − A', 'num', (l) => Math.abs(l.b - l.a)],
	['B : A', 'num', grown],
];

export function Compare() {
	const [a, b] = useValue(app.compare);
	const [sessions, setSessions] = useState<Session[]>([]);
	const [section, setSection] = useState<Section>('totals');
	const [metric, setMetric] = useState('');
	const [rate, setRate] = useState(false);
	const [sort, setSort] = useState<{ column: number; descending: boolean } | null>(null);
	const [copied, setCopied] = useState(false);
	const left = useSide(a), right = useSide(b);

	useEffect(() => {
		getSessions().then((list) => {
			const done = list.filter((s) => !s.recording).reverse();
			setSessions(done);
			if (!app.compare.get()[0] && done.length) app.compare.set([done[Math.min(1, done.length - 1)].id, done.length > 1 ? done[0].id : 'live']);
		}).catch((e) => app.fail(e));
	}, []);
	useEffect(() => setCopied(false), [a, b, section, metric, rate, sort]);

	const choose = (which: 0 | 1, value: string) => app.compare.set(which ? [a, value] : [value, b]);
	const both = left.side && right.side ? { a: left.side, b: right.side } : null;
	const perSecond = (l: Line): Line => (rate && both && !l.fixed ? { ...l, a: l.a / both.a.seconds, b: l.b / both.b.seconds } : l);
	const all = both ? lines(section, metric, both.a, both.b).map(perSecond) : [];
	const order = sort ?? { column: 3, descending: true };
	const value = COLUMNS[order.column][2];
	const sorted = !sort && section === 'totals' ? all : [...all].sort((x, y) => {
		const p = value(x), q = value(y);
		return (p < q ? -1 : p > q ? 1 : x.name < y.name ? -1 : 1) * (order.descending ? -1 : 1);
	});
	const metrics = section === 'functions' ? FUNCTION_METRICS : section === 'types' ? TYPE_METRICS : null;
	const problem = left.problem || right.problem;
	return (
		<div class="page compare">
			<div class="bar">
				<SidePicker name="A" value={a} sessions={sessions} side={left.side} onChange={(v) => choose(0, v)} />
				<button class="icon" title="Exchange A and B" aria-label="Exchange A and B" onClick={() => app.compare.set([b, a])}>⇄</button>
				<SidePicker name="B" value={b} sessions={sessions} side={right.side} onChange={(v) => choose(1, v)} />
			</div>
			<div class="bar">
				<div class="segments" role="tablist" aria-label="By">{SECTIONS.map(([id, label]) => (
					<button role="tab" aria-selected={section === id} class={section === id ? 'on' : ''} onClick={() => { setSection(id); setMetric(''); setSort(null); }}>{label}</button>))}</div>
				{metrics ? <select aria-label="What is compared" value={metric || Object.keys(metrics)[0]} onChange={(e) => setMetric(e.currentTarget.value)}>
					{Object.entries(metrics).map(([id, m]) => <option value={id}>{m.label}</option>)}</select> : null}
				<label class="check" title="Divided by the length of each: for recordings of different lengths"><input type="checkbox" checked={rate} onChange={(e) => setRate(e.currentTarget.checked)} />a second</label>
				<button disabled={!both} onClick={() => void copyText(csvOf(`A ${a}`, `B ${b}`, sorted.map((l) => ({ ...l, difference: l.b - l.a })))).then(() => setCopied(true)).catch((e) => app.fail(e))}>{copied ? 'Copied' : 'Copy CSV'}</button>
				{both && (both.a.summary.exited_dropped || both.b.summary.exited_dropped) && section !== 'totals' && section !== 'types' ?
					<span class="warn">goroutines that exited long ago are not kept and not counted here: A {exact(both.a.summary.exited_dropped)}, B {exact(both.b.summary.exited_dropped)}</span> : null}
			</div>
			{problem ? <div class="note bad">{problem}</div> : null}
			{!both ? <div class="empty">{problem ? '' : sessions.length ? 'Reading…' : 'No session has been recorded yet. One that is being recorded, as with -web, can be compared once it has ended.'}</div> :
				<table class="wide"><thead><tr>{COLUMNS.map(([label, cls], i) => (
					<th class={cls} aria-sort={sort?.column === i ? (sort.descending ? 'descending' : 'ascending') : 'none'}>
						<button class="link" onClick={() => setSort({ column: i, descending: sort?.column === i ? !sort.descending : cls === 'num' })}>
							{label}{sort?.column === i ? (sort.descending ? ' ↓' : ' ↑') : ''}</button></th>))}</tr></thead>
					<tbody>{sorted.slice(0, ROWS_MOST).map((l) => (
						<tr><td class="mono name">{l.name.startsWith('  ') ? <span class="indent" /> : null}{l.name}</td><td class="num">{figure(l.a, l.unit)}</td><td class="num">{figure(l.b, l.unit)}</td>
							<td class="num"><b class={l.a === l.b ? 'muted' : ''}>{difference(l.b - l.a, l.unit)}</b></td><td class="num muted">{ratio(l.a, l.b, l.b / l.a)}</td></tr>))}<Rest of={sorted.length} columns={5} /></tbody></table>}
		</div>
	);
}

interface PickerProps { name: string; value: string; sessions: Session[]; side: Side | null; onChange: (v: string) => void }

function SidePicker({ name, value, sessions, side, onChange }: PickerProps) {
	const [source, proc] = split(value);
	const processes = side?.status.processes ?? [];
	return <span class="side"><b>{name}</b> <select aria-label={`${name}: recording`} value={source} onChange={(e) => onChange(e.currentTarget.value)}>
		<option value="live">what is live</option>
		{sessions.map((s) => <option value={s.id}>{clock(Date.parse(s.start_time))} {s.binary_path.split('/').pop()} · {s.id.slice(0, 8)}</option>)}</select>
		{processes.length > 1 ? <select aria-label={`${name}: process`} value={String(proc)} onChange={(e) => onChange(Number(e.currentTarget.value) ? `${source}:${e.currentTarget.value}` : source)}>
			{processes.map((p) => <option value={String(p.index)}>pid {p.pid}</option>)}</select> : null}</span>;
}
