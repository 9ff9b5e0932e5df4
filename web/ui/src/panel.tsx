// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Everything about one goroutine, beside the timeline. Each part names its file in the mount.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { app } from './app';
import { at, getJson, getText, int, tellable, TOO_LARGE } from './api';
import { swatch } from './colors';
import { bytes, clock, count, duration, exact, goidText, moment, plain } from './format';
import { copyText } from './clipboard';
import { OF_LATE_NS, Slow, STAYS_SHOWN } from './slow';
import { useValue } from './store';
import { current } from './timeline/scene';
import { CASGSTATUS, EVENT_TYPES, MAKEMAP, MAKESLICE, NEWGOROUTINE, NEWOBJECT, RUNNABLE, SPAN, STATES, WAITING, type Span, type Stay } from 'contract';
import { processOf, stateNumber } from './types';
import { CpuOf } from './flame';
import { goTo, showTime } from './goto';
import { useNamedIn } from './problems';
import { Waits, type WaitRow } from './waits';
import { WhyPart } from './why';

interface Detail {
	goid: number;
	state: string;
	wait_reason: string | null; // null: it does not wait, or for what is not known
	state_since_ns: number; // how long
	state_since_is: 'exact' | 'at_least' | 'about' | null;
	start_function: string | null;
	created_by: string | null;
	created_at: string | null;
	parent: number | null;
	created_ns: number;
	exited_ns: number;
	woken_by: number | null;
	exited: boolean;
	system: boolean;
	found: boolean;
	uncertain: boolean;
	events_makeslice: number;
	events_makemap: number;
	events_newobject: number;
	alloc_bytes: number;
	running_ns: number;
	runnable_ns: number;
	waiting_ns: number;
	syscall_ns: number;
	preempted_ns: number;
	leaked_ns: number;
	runnable_to_running_count: number;
	runnable_to_running_mean_ns: number | null;
	runnable_to_running_max_ns: number;
	children: number;
	now_ns: number;
	waits_on?: string[] | null; // not there: nobody can say what it waits on
	children_known: { goid: number; state: string; start_function: string }[];
}

const STATES_OF = ['running', 'runnable', 'waiting', 'syscall', 'preempted', 'leaked'] as const;

interface Allocation { kind: string; type: string | null; count: number; bytes: number | null }
interface EventJson { timestamp: number; event_type: number; goroutine: number; attributes: number[];
	[key: string]: unknown }

interface Data {
	detail: Detail;
	allocations: Allocation[];
	events: EventJson[];
	eventTotal: number;
	spans: Span[];
	longest: Stay[]; // of late
	stack: string;
	waits: WaitRow[] | null; // null: it does not wait, or nobody can say on what
	waitsAt: number; // when that was so, as performance.now() has it
}

const KEPT_MS = 10e3; // of one that waits no more

async function load(goid: number): Promise<Data> {
	const path = (rest = '') => at(app.source.get(), `goroutines/${goid}${rest}`);
	const late = int(app.origin + app.now() - OF_LATE_NS);
	const [allocations, events, spans, longest, stack] = await Promise.all([
		getJson<Allocation[]>(path('/allocations')),
		getJson<{ total: number; events: EventJson[] }>(path('/events?limit=60')),
		getJson<{ spans: Span[] }>(path(`/spans?from=${late}&limit=40&newest=1`)),
		getJson<{ stays: Stay[] }>(at(app.source.get(), `stays?goids=${goid}&from=${late}&limit=${STAYS_SHOWN}`)),
		app.source.get() === 'live' && app.info.get()?.stacks ? getText(path('/stack')).catch((e) => `(${(e as Error).message})`) : '(a recording has no stacks)',
	]);
	// Last, so that what it waits on is of the same moment as its state, however long its stack took.
	const detail = await getJson<Detail>(path());
	// What a session or a program that has ended has not, is not asked for.
	const waits = detail.waits_on === undefined || !detail.wait_reason || detail.exited || app.over ? null :
		await getJson<WaitRow[]>(path('/waits')).catch(() => null);
	return { detail, allocations, events: events.events, eventTotal: events.total,
		spans: spans.spans, longest: longest.stays, stack, waits, waitsAt: performance.now() };
}

const told = (data: Data | null) => !!data?.waits?.some((row) => row.kind);

// A look that met it on the move tells less than the one before, which stands, with its age.
function withLastWaits(got: Data, before: Data | null): Data {
	const waits = got.detail.wait_reason && got.detail.waits_on !== undefined && !got.detail.exited && !app.over;
	return !told(got) && told(before) && (waits || got.waits || performance.now() - before!.waitsAt < KEPT_MS) ? { ...got, waits: before!.waits, waitsAt: before!.waitsAt } : got;
}

// Who was led here by keys from what is gone stands at the heading; who leaves from within goes back to where that was, or to the rows.
function useFocus(goid: number | null) {
	const head = useRef<HTMLHeadingElement>(null), left = useRef(false), led = useRef<HTMLElement | null>(null);
	if (goid === null && head.current?.closest('.panel')?.contains(document.activeElement)) left.current = true; // before it goes
	useLayoutEffect(() => {
		if (goid !== null && app.opener) {
			led.current = app.opener;
			app.opener = null;
			head.current?.focus();
		}
		if (goid !== null || !left.current) return;
		left.current = false;
		(led.current?.isConnected ? led.current : current?.canvas ?? document.querySelector<HTMLElement>('[role=tab][aria-selected=true]'))?.focus();
		led.current = null;
	});
	return head;
}

export function Panel() {
	const goid = useValue(app.selected), head = useFocus(goid);
	const source = useValue(app.source);
	const proc = useValue(app.proc);
	// From an address it is chosen before it is known what time means.
	const known = useValue(app.status) && app.usable ? app.origin : -1;
	const [data, setData] = useState<Data | null>(null);
	const [missing, setMissing] = useState('');

	useEffect(() => {
		setData(null);
		setMissing('');
		if (goid === null || known < 0) return;
		if (!tellable(goid)) return setMissing(TOO_LARGE);
		let stopped = false, timer = 0;
		const again = async () => {
			try {
				const got = await load(goid);
				if (!stopped) setData((before) => withLastWaits(got, before));
				if (!stopped) setMissing('');
				if (got.detail.exited) return;
			} catch (e) {
				if (!stopped) setMissing((e as Error).message);
			}
			if (!stopped && app.moves) later(1000);
		};
		// While the picture is held, this is, too.
		const later = (ms: number) => {
			timer = setTimeout(() => (app.paused.get() || document.hidden ? later(200) : void again()), ms) as unknown as number;
		};
		void again();
		return () => {
			stopped = true;
			clearTimeout(timer);
		};
	}, [goid, source, proc, known, app.over]);

	if (goid === null || app.absent.get()) return null;
	const paused = app.paused.get();
	const row = app.table?.rows.get(goid);
	return (
		<aside class="panel" aria-label={`Goroutine ${goidText(goid)}`}>
			<div class="panel-head">
				<h2 ref={head} tabIndex={-1}>Goroutine {goidText(goid)}</h2>
				<span class="grow" />
				<button aria-pressed={app.browse.get().pins.has(goid)} onClick={() => app.toggle('pins', goid)} title="Keep its row at the top (P)">Pin</button>
				<button onClick={() => { app.toggle('hidden', goid); app.selected.set(null); }} title="Leave its row out (H)">Hide</button>
				<button onClick={() => current?.fit()} title="Show its whole life (F)">Fit</button>
				<button class="icon" aria-label="Close" onClick={() => app.selected.set(null)}>✕</button>
			</div>
			<div class="panel-body" tabIndex={0}>
				<div class="mono func">{plain(row?.func || data?.detail.start_function || '')}</div>
				{data && paused && data.detail.now_ns - app.origin > app.now() + 1e8 ? <p class="warn">This is how it was at {clock(app.wallTime(data.detail.now_ns - app.origin))}, {duration(data.detail.now_ns - app.origin - app.now())} after the picture was held.</p> : null}
				{data ? <Body data={data} /> : <p class="muted">{missing || '…'}</p>}
			</div>
		</aside>
	);
}

function Goid({ id }: { id: number | null }) {
	if (!id) return <span class="muted">none known</span>;
	return <button class="link" onClick={() => goTo(id)}>goroutine {goidText(id)}</button>;
}

// A path in the mounted tree and the command to see it; nothing when nothing is mounted.
function FilePath({ file }: { file: string }) {
	const [copied, setCopied] = useState(false);
	const mount = app.info.get()?.mount_point;
	if (!mount || app.source.get() !== 'live') return null;
	// The tree of one is the root itself.
	const proc = app.proc.get(), pid = processOf(app.status.get(), proc)?.pid;
	const path = `${mount}/${proc !== (app.status.get()?.root ?? 0) ? `processes/${pid}/` : ''}${file}`;
	const command = `cat ${/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replace(/'/g, "'\\''")}'`}`;
	return <button class="path" title="Copy this command" onClick={() => void copyText(command).then(() => {
		setCopied(true);
		setTimeout(() => setCopied(false), 1200);
	})}><code>{command}</code><span>{copied ? 'copied' : 'copy'}</span></button>;
}

// Of when it is said: looks may fail for a while.
function asOf(data: Data): string {
	const age = performance.now() - data.waitsAt;
	return !told(data) ? '' : age < 100 ? 'as of now' : `as of ${duration(age * 1e6)} ago${data.detail.wait_reason ? '' : ': it waits no more'}`;
}

const bound = (is: Detail['state_since_is']) => (is === 'at_least' ? '≥ ' : is === 'about' ? '≈ ' : '');

function Part({ title, file, children, note }: { title: string; file?: string; note?: string; children: ComponentChildren }) {
	return <section><h3>{title}{note ? <span class="muted"> {note}</span> : null}</h3>{children}
		{file ? <FilePath file={file} /> : null}</section>;
}

function NamedIn({ goid }: { goid: number }) {
	const { problems, note } = useNamedIn(goid);
	return problems.length ? <Part title="Problems it is in" note={note} file="problems">
		<ul class="named-in">{problems.map((p) => <li key={`${p.kind}/${p.text}`}><i class={`sev ${p.severity}`} /><span><b>{p.kind}</b>: {p.text}</span></li>)}</ul></Part> : null;
}

function Body({ data }: { data: Data }) {
	const d = data.detail;
	const folder = `goroutines/${d.goid}`;
	const end = d.exited_ns || d.now_ns;
	return <>
		<Part title="Status" file={`${folder}/status`}>
			<dl>
				<dt>State</dt><dd><i class="dot" style={{ background: swatch(app.look.get(), stateNumber(d.state), d.wait_reason ?? '') }} />
					<b>{d.state}</b>{d.wait_reason ? `: ${d.wait_reason}` : ''}
					{d.exited || d.state === 'unknown' ? '' : `, for ${bound(d.state_since_is)}${duration(d.state_since_ns)}`}</dd>
				<dt>{d.exited ? 'Lived' : 'Age'}</dt><dd>{d.found ? 'at least ' : ''}{duration(end - d.created_ns)}
					<span class="muted"> {d.found ? 'first seen' : 'since'} {clock(app.wallTime(d.created_ns - app.origin))}</span></dd>
				<dt>Created by</dt><dd><Goid id={d.parent} />{d.created_by ? <div class="mono small">{d.created_by}{d.created_at ? ` (${d.created_at})` : ''}</div> : null}</dd>
				<dt>Woken by</dt><dd><Goid id={d.woken_by} /></dd>
				{d.system ? <><dt>System</dt><dd>belongs to the Go runtime</dd></> : null}
				{d.uncertain ? <><dt>Note</dt><dd class="warn">times and counts may miss events that were lost, not sampled, or from before tracing</dd></> : null}
			</dl>
		</Part>
		<NamedIn goid={d.goid} />
		<Part title="Longest stays" note="of the last minute"><Slow stays={data.longest} goTo={goTo} /></Part>
		<WhyPart goid={d.goid} goTo={goTo} />
		{data.waits?.length ? <Part title="Waits on" note={asOf(data)} file={`${folder}/waits`}>
			<Waits rows={data.waits} goid={d.goid} name={d.start_function ?? ''} goTo={goTo} /></Part> : null}
		<States d={d} folder={folder} />
		<Part title="Allocations" note={`${bytes(d.alloc_bytes)} in ${exact(d.events_makeslice + d.events_makemap + d.events_newobject)}`}
			file={`${folder}/allocations`}>
			{data.allocations.length ? <table>
				<thead><tr><th>Type</th><th>Kind</th><th class="num">Count</th><th class="num">Bytes</th></tr></thead>
				<tbody>{data.allocations.slice(0, 12).map((a) => (
					<tr><td class="mono clip" title={a.type ?? ''}>{a.kind === 'makeslice' ? '[]' : ''}{a.type || '(unknown)'}</td><td class="muted">{a.kind}</td>
						<td class="num">{count(a.count)}</td><td class="num">{a.bytes === null ? '–' : bytes(a.bytes)}</td></tr>))}</tbody>
			</table> : <p class="muted">None seen.</p>}
			{data.allocations.length > 12 ? <p class="muted">and {data.allocations.length - 12} more types</p> : null}
		</Part>
		<Part title="Stack" file={`${folder}/stack`}><pre class="stack" tabIndex={0} aria-label="Stack">{data.stack.trim()}</pre></Part>
		<Part title="CPU" note="by samples"><CpuOf goid={d.goid} /></Part>
		<Part title="Stays" note={`the last ${data.spans.length}`}><Spans spans={data.spans} now={d.now_ns} goid={d.goid} /></Part>
		<Part title="Events" note={`the last ${data.events.length} of ${exact(data.eventTotal)} kept`} file={`${folder}/events`}>
			<ol class="events" tabIndex={0} aria-label="Events">{[...data.events].reverse().map((e) => <EventLine e={e} self={d.goid} />)}</ol>
		</Part>
		<Part title="Children" note={childrenOf(d)} file={undefined}>
			{d.children_known.length ? <div class="children">{d.children_known.slice(-60).reverse().map((c) => (
				<button class="link" title={c.start_function} onClick={() => goTo(c.goid)}>
					<i class="dot" style={{ background: swatch(app.look.get(), stateNumber(c.state)) ?? 'var(--line)' }} />{goidText(c.goid)}</button>))}</div> :
				<p class="muted">None kept.</p>}
		</Part>
	</>;
}

// Those that were read from memory were not seen being made.
const childrenOf = (d: Detail) => (d.children_known.length > d.children ?
	`${exact(d.children_known.length)} known, ${exact(d.children)} of them seen being made` : exact(d.children));

function States({ d, folder }: { d: Detail; folder: string }) {
	const entries = STATES_OF.map((name): [string, number] => [name, d[`${name}_ns`]]).filter(([, ns]) => ns).sort((a, b) => b[1] - a[1]);
	const total = entries.reduce((sum, [, ns]) => sum + ns, 0) || 1;
	const color = (name: string) => swatch(app.look.get(), stateNumber(name));
	return (
		<Part title="Time in each state" file={`${folder}/stats`}>
			<div class="stacked">{entries.map(([name, ns]) => <i title={`${name} ${duration(ns)}`} style={{ width: `${100 * ns / total}%`, background: color(name) }} />)}</div>
			<table><tbody>{entries.map(([name, ns]) => (
				<tr><td><i class="dot" style={{ background: color(name) }} />{name}</td><td class="num">{duration(ns)}</td>
					<td class="num muted">{(100 * ns / total).toFixed(1)}%</td></tr>))}
				{d.runnable_to_running_count ? <tr><td>waited for a CPU</td><td class="num">{duration(d.runnable_to_running_mean_ns ?? 0)} mean</td>
					<td class="num muted">{duration(d.runnable_to_running_max_ns)} most</td></tr> : null}</tbody></table>
		</Part>
	);
}

// What is to be asked of a stay.
function Ask({ s, goid }: { s: Span; goid: number }) {
	const what = s[SPAN.state] === RUNNABLE ? 'ran' : s[SPAN.state] === WAITING ? 'blame' : null;
	return what && <button class="link ask" onClick={(e) => {
		e.stopPropagation();
		app.why.set({ goid, what, at: s[SPAN.begin] });
		document.querySelector('.panel .why')?.scrollIntoView({ block: 'nearest' });
	}}>{what === 'ran' ? 'who ran' : 'why'}</button>;
}

function Spans({ spans, now, goid }: { spans: Span[]; now: number; goid: number }) {
	if (!spans.length) return <p class="muted">None kept.</p>;
	const show = (s: Span) => {
		const from = s[SPAN.begin] - app.origin, to = (s[SPAN.end] || now) - app.origin, pad = Math.max((to - from) * 2, 1000);
		showTime(from - pad, to + pad);
	};
	return <table class="spans"><tbody>{[...spans].reverse().map((s) => (
		<tr onClick={() => show(s)} title="Show it on the timeline">
			<td><i class="dot" style={{ background: swatch(app.look.get(), s[SPAN.state], s[SPAN.reason]) }} />{STATES[s[SPAN.state]]}{s[SPAN.reason] ? <span class="muted"> {s[SPAN.reason]}</span> : null}<Ask s={s} goid={goid} /></td>
			<td class="num">{duration((s[SPAN.end] || now) - s[SPAN.begin])}{s[SPAN.end] ? '' : ' …'}</td>
			<td class="num muted">{s[SPAN.ended_by] ? <button class="link" title="Go to the goroutine that ended it" onClick={(e) => {
				e.stopPropagation();
				goTo(s[SPAN.ended_by]);
			}}>by {goidText(s[SPAN.ended_by])}</button> : ''}</td></tr>))}</tbody></table>;
}

const ORIGINAL_KEYS = new Set(['timestamp', 'event_type', 'goroutine', 'parent_goroutine', 'attributes']);

function EventLine({ e, self }: { e: EventJson; self: number }) {
	const a = e.attributes;
	const t = e.event_type;
	let text = '';
	if (t === CASGSTATUS) text = `${a[2] === self ? '' : `${a[2]} `}${STATES[a[0]] ?? a[0]} → ${STATES[a[1]] ?? a[1]}`;
	else if (t === MAKESLICE) text = `len ${a[2]} cap ${a[3]}`;
	else if (t === MAKEMAP) text = `hint ${a[4]}`;
	else if (t === NEWOBJECT) text = bytes(a[0]);
	else if (t === NEWGOROUTINE) text = `→ ${a[1]}`;
	const ours = Object.entries(e).filter(([k, v]) => !ORIGINAL_KEYS.has(k) && typeof v === 'string').map(([, v]) => v).join(' ');
	return <li><span class="muted">{moment(e.timestamp - app.origin)}</span> <b>{EVENT_TYPES[t]}</b> {text} <span class="mono small">{ours}</span></li>;
}
