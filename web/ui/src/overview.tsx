// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The process over time, as plots: goroutines by state, events, allocations, latency, and what the
// tracing itself does. All share one time axis; a drag on one selects time on all.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { app } from './app';
import { at, getJson, getSeries } from './api';
import { bytes, count, duration, exact } from './format';
import { BusyHeat, getHeat, LatencyHeat, type Heat } from './heatmap';
import { usePolled } from './poll';
import { useValue } from './store';
import { EVENT_TYPES, LEVEL_MAX, RUNNABLE, SERIES_LEVEL_MIN, SYSCALL } from 'contract';
import { stateNumber, sum, type Series } from './types';

interface Meter {
	time_ms: number[];
	rps: number[];
	pps: number[];
	ewp: number[];
	lat: number[];
	prc: number[];
	lost: number[];
	overhead_ppm: number[];
}

const SPANS: [string, number][] = [['1 min', 60e9], ['5 min', 300e9], ['30 min', 1800e9], ['All', 0]];

interface Line { label: string; color: string; values: (number | null)[] }

interface Answer { series: Series; waits: Heat; busy: Heat; latency: number[]; meter: Meter | null }

async function ask(source: string, span: number): Promise<Answer> {
	const end = app.end(), length = span && source === 'live' ? Math.min(span, end) : end;
	const level = Math.max(SERIES_LEVEL_MIN, Math.min(LEVEL_MAX, Math.ceil(Math.log2(Math.max(length, 1e6) / 300))));
	const last = Math.floor((app.origin + end) / 2 ** level);
	const n = Math.max(2, Math.ceil(length / 2 ** level));
	return {
		series: await getSeries(source, level, last - n, n),
		latency: await getJson<number[]>(at(source, 'latency')),
		waits: await getHeat(source, 'latency', end, length),
		busy: await getHeat(source, 'utilisation', end, length),
		meter: source === 'live' ? await getJson<Meter>(`/api/live/meter?n=${Math.max(60, Math.ceil(length / 1e9))}`) : null,
	};
}

export function Overview() {
	const [span, setSpan] = useState(60e9);
	const source = useValue(app.source);
	useValue(app.status);
	useValue(app.theme);
	const { value, problem } = usePolled(() => ask(source, span), 1000, [span]);
	const c = useValue(app.look);
	const { series, waits, busy, latency, meter } = value ?? { series: null, waits: null, busy: null, latency: [], meter: null };
	return (
		<div class="page overview">
			<div class="bar">
				{source === 'live' ? <div class="segments">{SPANS.map(([label, ns]) => (
					<button class={span === ns ? 'on' : ''} onClick={() => setSpan(ns)}>{label}</button>))}</div> : null}
				<Totals />
				{problem && series ? <span class="bad">{problem}</span> : null}
			</div>
			<Losses />
			{series ? <div class="plots">
				<Plot title="Goroutines by state" unit="mean number" stacked x={times(series)} format={(v) => count(v)}
					lines={['running', 'syscall', 'runnable', 'preempted', 'leaked', 'waiting', 'unknown'].filter((s) => series.state_ns[s]).map((s) => ({
						label: s, color: c.state[stateNumber(s)],
						values: series.state_ns[s].map((v) => v / series.width_ns) }))} />
				<Plot title="Events" unit="a second" x={times(series)} format={(v) => count(v)}
					lines={EVENT_TYPES.filter((e) => series.events[e].some((v) => v)).map((e) => ({ label: e,
						color: c.type[e],
						values: series.events[e].map((v) => v / series.width_ns * 1e9) }))} />
				<Plot title="Allocation" unit="bytes a second (objects and slices)" x={times(series)} format={(v) => bytes(v)}
					lines={[{ label: 'bytes', color: c.type.newobject, values: series.alloc_bytes.map((v) => v / series.width_ns * 1e9) }]} />
				<Plot title="Scheduling latency" unit="runnable until running" x={times(series)} format={(v) => duration(v)} log
					lines={[{ label: 'mean', color: c.state[RUNNABLE], values: series.latency_count.map((n, i) => (n ? series.latency_sum_ns[i] / n : null)) },
						{ label: 'longest', color: c.state[SYSCALL], values: series.latency_max_ns.map((v) => v || null) }]} />
				{waits ? <LatencyHeat heat={waits} /> : null}
				{busy ? <BusyHeat heat={busy} /> : null}
				{meter && meter.time_ms.length > 1 ? <>
					<Plot title="Read and processed" unit="events a second: RPS, PPS; EWP waiting" x={meter.time_ms.map((t) => t / 1000)} wall format={(v) => count(v)}
						lines={[{ label: 'RPS', color: '#3b82f6', values: meter.rps }, { label: 'PPS', color: '#16a34a', values: meter.pps },
							{ label: 'EWP', color: '#dc2626', values: meter.ewp }]} />
					<Plot title="Cost an event" unit="LAT in the kernel (trap not in it), PRC here" x={meter.time_ms.map((t) => t / 1000)} wall format={(v) => duration(v)}
						lines={[{ label: 'LAT', color: '#f97316', values: meter.lat }, { label: 'PRC', color: '#8b5cf6', values: meter.prc }]} />
					<Plot title="Overhead and loss" unit="estimated percent of one CPU; events lost" x={meter.time_ms.map((t) => t / 1000)} wall format={(v) => v.toFixed(v < 10 ? 2 : 0)}
						lines={[{ label: 'cost, % of 1 CPU', color: '#64748b', values: meter.overhead_ppm.map((v) => v / 1e4) }, { label: 'lost', color: '#dc2626', values: meter.lost }]} />
				</> : null}
				<Histogram buckets={latency} color={c.state[RUNNABLE]} />
				{source === 'live' ? <Health /> : null}
			</div> : <div class="empty">{problem || '…'}</div>}
		</div>
	);
}

const times = (s: Series) => s.lost.map((_, i) => (s.start_ns + i * s.width_ns - app.origin) / 1e9);

function Totals() {
	const s = useValue(app.status);
	if (!s || !app.usable) return null;
	const events = sum(s.events), lost = s.lost_events;
	return <span class="totals">{exact(events)} event{events === 1 ? '' : 's'} · <b class={lost ? 'bad' : ''}>{exact(lost)} lost</b> · {exact(s.live_total)} live · {exact(s.created)} created · {exact(s.exited)} exited
		· {bytes(s.memory_bytes)} kept here{s.trimmed ? ` · ${exact(s.trimmed)} of ${exact(s.trimmed_of)} events trimmed${s.processes.length > 1 ? ', of all processes' : ''}` : ''}</span>;
}

// Each way in which something was lost, and what helps; what a bound lets go is no alarm.
function Losses() {
	const s = useValue(app.status);
	if (!s || !app.usable || !(s.losses?.length || s.in_doubt)) return null;
	return <ul class="losses" aria-label="Losses">
		{s.in_doubt ? <li class="bad">State changes were lost: which goroutines there are, and in which state, is in doubt until memory is read</li> : null}
		{(s.losses ?? []).map((l) => <li class={l.of === 'bound' || l.of === 'sample' ? 'small' : 'bad'} data-way={l.way} title={l.helps ? `What helps: ${l.helps}` : undefined}>
			{exact(l.count)} {l.unit} {l.what}{l.helps && l.of !== 'bound' ? <span class="small"> · {l.helps}</span> : null}</li>)}
	</ul>;
}

// Of a time in seconds since 1970, by the clock that is chosen.
function timeOfDay(s: number): string {
	const date = new Date(s * 1000);
	return app.settings.get().clock === 'utc' ? date.toISOString().slice(11, 19) : date.toTimeString().slice(0, 8);
}

interface PlotProps { title: string; unit: string; x: number[]; lines: Line[]; format: (v: number) => string; stacked?: boolean; log?: boolean; wall?: boolean }

function Plot({ title, unit, x, lines, format, stacked, log, wall }: PlotProps) {
	const box = useRef<HTMLDivElement>(null);
	const plot = useRef<uPlot | null>(null);
	const key = `${lines.map((l) => l.label + l.color).join()}/${app.theme.get()}`;
	const sums = stacked ? stack(lines) : null;
	// Drawn from the back: of a stack, the highest sum first.
	const drawn = sums ? [...lines].reverse() : lines;
	const data = [x, ...(sums ? [...sums].reverse() : lines.map((l) => l.values.map((v) => (log && !v ? null : v))))] as uPlot.AlignedData;

	useEffect(() => {
		const css = getComputedStyle(document.documentElement);
		const muted = css.getPropertyValue('--muted').trim(), grid = css.getPropertyValue('--grid').trim();
		const axis = { stroke: muted, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: '11px system-ui, sans-serif' };
		const options: uPlot.Options = {
			width: box.current!.clientWidth, height: 170, legend: { live: true }, cursor: { drag: { x: !wall, y: false, setScale: false } },
			scales: { x: { time: !!wall }, y: log ? { distr: 3 } : { range: (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
			axes: [{ ...axis, size: 28, values: (_u: uPlot, v: number[]) => v.map((t) => (wall ? timeOfDay(t) : t ? duration(t * 1e9) : '0')) },
				{ ...axis, size: 62, ...(log ? { grid: { show: false }, ticks: { show: false } } : {}), values: (_u: uPlot, v: (number | null)[]) => v.map((n) => (n === null ? '' : format(n))) }],
			series: [{ label: 'at', value: (_u, v) => (v === null || v === undefined ? 'last' : wall ? timeOfDay(v) : duration(v * 1e9)) },
				...drawn.map((l, i) => ({ label: l.label, stroke: l.color, width: stacked ? 1 : 1.5, fill: stacked ? l.color + 'cc' : undefined,
					points: { show: false }, spanGaps: true,
					value: (_u: uPlot, _v: number | null, _s: number, at: number | null) => {
						const values = current.current[i]?.values ?? [];
						const raw = values[at ?? values.length - 2]; // the last one is not full yet
						return raw === null || raw === undefined ? '–' : format(raw);
					} }))],
			hooks: wall ? {} : { setSelect: [(u) => {
				if (u.select.width < 3) return;
				const from = u.posToVal(u.select.left, 'x') * 1e9, to = u.posToVal(u.select.left + u.select.width, 'x') * 1e9;
				u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
				app.showRange({ from: Math.max(0, from), to });
			}] },
		};
		plot.current = new uPlot(options, data, box.current!);
		const observer = new ResizeObserver(() => plot.current?.setSize({ width: box.current!.clientWidth, height: 170 }));
		observer.observe(box.current!);
		return () => {
			observer.disconnect();
			plot.current?.destroy();
		};
	}, [key]);
	const current = useRef(drawn);
	current.current = drawn;
	useEffect(() => { plot.current?.setData(data); });
	return <figure class="plot"><figcaption>{title} <span class="muted">{unit}</span></figcaption><div ref={box} /></figure>;
}

// Each line's values on top of those before it.
function stack(lines: Line[]): (number | null)[][] {
	const sum = new Array<number>(lines[0]?.values.length ?? 0).fill(0);
	return lines.map((l) => l.values.map((v, i) => (sum[i] += v ?? 0)));
}

function Histogram({ buckets, color }: { buckets: number[]; color: string }) {
	const first = buckets.findIndex((n) => n), last = buckets.length - [...buckets].reverse().findIndex((n) => n);
	if (first < 0) return null;
	const shown = buckets.slice(first, last), most = Math.max(...shown), total = shown.reduce((a, b) => a + b, 0);
	let seen = 0;
	return (
		<figure class="plot histogram"><figcaption>Scheduling latency <span class="muted">since the start, {exact(total)} waits for a CPU</span></figcaption>
			<table><tbody>{shown.map((n, i) => {
				seen += n;
				return <tr><td class="num">{duration(2 ** (first + i))} – {duration(2 ** (first + i + 1))}</td>
					<td class="bars"><i style={{ width: `${100 * n / most}%`, background: color }} /></td><td class="num">{exact(n)}</td>
					<td class="num muted">{(100 * seen / total).toFixed(seen / total > 0.995 ? 2 : 1)}%</td></tr>;
			})}</tbody></table></figure>
	);
}

function Health() {
	const [text, setText] = useState<[string, unknown][]>([]);
	useEffect(() => {
		getJson<Record<string, unknown>>(at('live', 'health')).then((got) => setText(Object.entries(got).filter(([, v]) => typeof v !== 'object'))).catch(() => setText([]));
	}, []);
	if (!text.length) return null;
	return <figure class="plot"><figcaption>Health</figcaption><dl class="health">{text.map(([k, v]) => <><dt>{k}</dt><dd>{String(v)}</dd></>)}</dl></figure>;
}
