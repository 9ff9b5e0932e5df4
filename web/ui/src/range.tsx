// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Statistics of the selected time range, over the goroutines in the list or the selected one.
import { STAY, WAITING, type Stay } from 'contract';
import { swatch } from './colors';
import { useEffect, useState } from 'preact/hooks';
import { app, RANGE_BYS, type Range } from './app';
import { address, at, getJson, getText, int, tellable } from './api';
import { copyText } from './clipboard';
import { completions, parseFilter } from './filter';
import { bytes, count, duration, exact, goidText, moment } from './format';
import { goTo, showTime } from './goto';
import { viewOf } from './permalink';
import { BY_WORDS, RangeCompare, RangeTable } from './rangetable';
import { useValue } from './store';
import { functionNames } from './toolbar';
import { dayTime } from './walltime';
import { current } from './timeline/scene';
import { stateNumber, sum } from './types';

interface RangeStats {
	since_ns: number;
	exited_dropped: number;
	exited_missing: boolean;
	percentile_error_percent: number;
	goroutines: number;
	created: number;
	exited: number;
	events: Record<string, number>;
	alloc_bytes: number;
	states: { state: string; total_ns: number; stays: number; p50_ns: number; p99_ns: number; max_ns: number; histogram: number[] }[];
}

interface StayList {
	total: number;
	stays: Stay[];
}

interface Bar { state: string; bucket: number | null } // null: all its stays

const SHOWN = 50;

function question(range: Range, goid: number | null, filter: string): string {
	const which = goid !== null ? `goids=${goid}` : `filter=${encodeURIComponent(filter)}`;
	return `from=${int(range.from + app.origin)}&to=${int(range.to + app.origin)}&${which}`;
}

const colorOf = (name: string) => swatch(app.look.get(), stateNumber(name));

export function RangeBar() {
	const range = useValue(app.range);
	const browse = useValue(app.browse);
	const selected = useValue(app.selected);
	const { clock } = useValue(app.settings);
	const source = useValue(app.source);
	const [only, setOnly] = useState(false);
	const [stats, setStats] = useState<RangeStats | null>(null);
	const [bar, setBar] = useState<Bar | null>(null);
	const [copied, setCopied] = useState(false);
	const [problem, setProblem] = useState('');
	const goid = only && selected !== null && tellable(selected) ? selected : null;
	const ranged = useValue(app.ranged), there = !useValue(app.lostAt); // who is there again is asked again
	let bad = '';
	try {
		parseFilter(ranged.filter, true);
	} catch (e) {
		bad = (e as Error).message;
	}
	const filter = [browse.filter, bad ? '' : ranged.filter].filter(Boolean).join(' ');
	const which = range ? question(range, goid, filter) : '';

	useEffect(() => {
		setStats(null);
		setProblem('');
		setCopied(false);
		if (!which) return;
		let stale = false;
		const timer = setTimeout(() => {
			getJson<RangeStats>(at(source, `range?${which}`))
				.then((s) => { if (!stale) setStats(s); }).catch((e) => { if (!stale) setProblem((e as Error).message); });
		}, 100);
		return () => {
			stale = true;
			clearTimeout(timer);
		};
	}, [which, there]);

	if (!range) return null;
	// By the clock of the ruler and by another one.
	const step = Math.max(1, (range.to - range.from) / 1000), zone = clock === 'local' ? 'utc' : 'local';
	const total = stats?.states.reduce((sum, s) => sum + s.total_ns, 0) || 1;
	const copy = async () => {
		await copyText(await getText(at(source, `range?${which}&format=csv`)));
		setCopied(true);
	};
	const exported = () => address(at(source, `export?from=${int(range.from + app.origin)}&to=${int(range.to + app.origin)}&view=${encodeURIComponent(viewOf(range))}`));
	// What is on screen may have moved since this was drawn.
	const asItIsNow = (e: { currentTarget: HTMLAnchorElement }) => { e.currentTarget.href = exported(); };
	const here = { source, proc: app.proc.get(), from: range.from + app.origin, to: range.to + app.origin };
	const same = ranged.kept && JSON.stringify(ranged.kept) === JSON.stringify(here);
	const comparing = ranged.comparing && !!ranged.kept;
	const flame = (by: 'cpu' | 'alloc') => {
		app.flame.update({ by, weight: 'ns', path: [], goid });
		app.view.set('flame');
	};
	const chosen = stats?.states.find((s) => s.state === bar?.state);
	return (
		<section class="bottom-bar range" aria-label="Selected time">
			<div class="range-head">
				<b>{duration(range.to - range.from)}</b>
				<span class="mono small" title={[range.from, range.to].map((t) => new Date(app.wallTime(t)).toISOString()).join(' to ')}>{app.timeText(range.from, step)} – {app.timeText(range.to, step)}
					<span class="muted"> · {dayTime(range.from, step, app.day(zone))} – {dayTime(range.to, step, app.day(zone))} {zone === 'utc' ? 'UTC' : 'local'}</span></span>
				<span class="muted">{stats ? `${exact(stats.goroutines)} goroutines, ${exact(stats.created)} created, ${exact(stats.exited)} exited, ` +
					`${count(sum(stats.events))} events, ${bytes(stats.alloc_bytes)} allocated` : problem ? <b class="bad" role="alert">{problem}</b> : '…'}
					{stats && stats.since_ns - app.origin > range.from ? <b class="warn"> · events before {moment(stats.since_ns - app.origin)} are no longer kept</b> : null}
					{stats?.exited_missing ? <b class="warn"> · {exact(stats.exited_dropped)} exited goroutines are no longer kept, and not in it</b> : null}</span>
				{selected !== null && tellable(selected) ? <label class="check"><input type="checkbox" checked={only}
					onChange={(e) => setOnly(e.currentTarget.checked)} />only goroutine {selected}</label> : null}
				<span class="grow" />
				<button onClick={() => void copy().catch((e) => app.fail(e))}>{copied ? 'Copied' : 'Copy CSV'}</button>
				<a class="icon-link" href={exported()} onPointerDown={asItIsNow} onFocus={asItIsNow}
					download="xgotopfs-range.tar" title="This time as a session in one file, with what is on screen: xgotopfs -replay FILE opens it">Export ↓</a>
				<button class="icon" aria-label="Close" onClick={() => app.range.set(null)}>✕</button>
			</div>
			<div class="range-head">
				<div class="segments" role="group" aria-label="Selected time by">{RANGE_BYS.map((b) => (
					<button title={BY_WORDS[b][1]} aria-pressed={ranged.by === b} onClick={() => app.ranged.update({ by: b })}>{BY_WORDS[b][0]}</button>))}</div>
				<div class="filter"><input type="search" list="range-filter-words" placeholder="Filter: was:sync* func:main.*" aria-label="Filter the selected time" aria-invalid={!!bad} spellcheck={false} value={ranged.filter}
					title="Beside the timeline's filter; was:sync* is who was in that at some moment of this time" onInput={(e) => app.ranged.update({ filter: e.currentTarget.value })}
					onKeyDown={(e) => { if (e.key === 'Escape') app.ranged.update({ filter: '' }); e.stopPropagation(); }} />
					<datalist id="range-filter-words">{completions(ranged.filter, functionNames, true).map((text) => <option value={text} />)}</datalist>
					{bad ? <div class="filter-error">{bad}</div> : null}</div>
				<button title="Remembers this time, to compare another one with: of this source, or of a session" disabled={!!same} onClick={() => app.ranged.update({ kept: here, comparing: false })}>{same ? 'Kept as B' : 'Keep as B'}</button>
				{ranged.kept ? <><button aria-pressed={comparing} disabled={!!same && !comparing} title="What differs most first" onClick={() => app.ranged.update({ comparing: !comparing })}>Compare with B</button>
					<button class="icon" aria-label="Forget B" title="Forget B" onClick={() => app.ranged.update({ kept: null, comparing: false })}>✕</button></> : null}
				<button title="Where CPU time was spent in it, by samples" onClick={() => flame('cpu')}>CPU flame</button>
				<button title="Who allocated in it, by events" onClick={() => flame('alloc')}>Allocation flame</button>
			</div>
			{comparing ? <RangeCompare which={which} seconds={(range.to - range.from) / 1e9} by={ranged.by} kept={ranged.kept!} filter={filter} /> :
				ranged.by !== 'state' ? <RangeTable which={which} by={ranged.by} /> : stats ? <div class="range-body"><table>
				<thead><tr><th>State</th><th>Time</th><th>Share</th><th>Stays</th><th title={`within ${stats.percentile_error_percent} %`}>p50</th>
					<th title={`within ${stats.percentile_error_percent} %`}>p99</th><th>Longest</th></tr></thead>
				<tbody>{stats.states.map((s) => (
					<tr class={s === chosen ? 'on' : ''}><td><button class="link" aria-pressed={s === chosen} title="How long its stays were"
						onClick={() => setBar(s === chosen ? null : { state: s.state, bucket: null })}><i class="dot" style={{ background: colorOf(s.state) }} />{s.state}</button></td>
						<td>{duration(s.total_ns)}</td>
						<td><div class="share"><i style={{ width: `${100 * s.total_ns / total}%`, background: colorOf(s.state) }} />
							{(100 * s.total_ns / total).toFixed(1)}%</div></td>
						<td>{exact(s.stays)}</td><td>{duration(s.p50_ns)}</td><td>{duration(s.p99_ns)}</td><td>{duration(s.max_ns)}</td></tr>))}
				</tbody></table>
				{chosen ? <Stays which={which} of={chosen} bucket={bar!.bucket} choose={(bucket) => setBar({ state: chosen.state, bucket })} /> : null}
			</div> : null}
		</section>
	);
}

const power = (i: number) => (i ? duration(2 ** i) : '0');

// How long the stays in one state were, and the longest of them, of one bar or of all.
function Stays({ which, of, bucket, choose }: { which: string; of: RangeStats['states'][number]; bucket: number | null; choose: (b: number | null) => void }) {
	const [list, setList] = useState<StayList | null>(null);
	useEffect(() => {
		let stale = false;
		setList(null);
		const lengths = bucket === null ? '' : `&min=${bucket ? 2 ** bucket : 0}&max=${2 ** (bucket + 1)}`;
		getJson<StayList>(at(app.source.get(), `stays?${which}&state=${of.state}${lengths}&limit=${SHOWN}`))
			.then((got) => { if (!stale) setList(got); }).catch((e) => app.fail(e));
		return () => { stale = true; };
	}, [which, of.state, bucket]);
	const first = of.histogram.findIndex((n) => n), most = Math.max(...of.histogram);
	const show = (goid: number, begin: number, end: number) => {
		app.selected.set(goid);
		current?.reveal(goid);
		const from = begin - app.origin, to = (end || app.origin + app.now()) - app.origin, pad = Math.max((to - from) / 2, 1000);
		showTime(from - pad, to + pad);
	};
	return <>
		<table class="bars-table" aria-label={`Lengths of stays ${of.state}`}><thead><tr><th>{of.state} for</th><th class="num">Stays</th><th /></tr></thead>
			<tbody>{of.histogram.map((n, i) => (i < first ? null : (
				<tr class={bucket === i ? 'on' : ''}><td><button class="link" disabled={!n} aria-pressed={bucket === i} onClick={() => choose(bucket === i ? null : i)}>
					{power(i)} – {power(i + 1)}</button></td><td class="num">{exact(n)}</td>
					<td class="bars"><i style={{ width: `${100 * n / most}%`, background: colorOf(of.state), visibility: n ? 'visible' : 'hidden' }} /></td></tr>)))}</tbody></table>
		<table class="spans stays" aria-label="Longest stays"><thead><tr><th class="num">Goroutine</th><th class="num">For</th><th class="num">From</th><th>Reason</th><th class="num">Ended by</th></tr></thead>
			<tbody>{list?.stays.map((s) => [s[STAY.goid], s[STAY.begin], s[STAY.end], s[STAY.ns], s[STAY.reason], s[STAY.ended_by]] as const).map(([goid, begin, end, ns, reason, by]) => (
				<tr onClick={() => show(goid, begin, end)} title={`Show it on the timeline\n${app.table?.rows.get(goid)?.func ?? ''}`}>
					<td class="num"><button class="link">{goidText(goid)}</button></td><td class="num">{duration(ns)}{end ? '' : ' …'}</td><td class="num muted">{moment(begin - app.origin)}</td>
					<td>{reason ? <i class="dot" style={{ background: swatch(app.look.get(), WAITING, reason) }} /> : null}{reason}</td><td class="num">{by ? <button class="link" onClick={(e) => {
						e.stopPropagation();
						goTo(by);
					}}>{goidText(by)}</button> : ''}</td></tr>))}
				{list && list.total > list.stays.length ? <tr><td colSpan={5} class="muted">the longest {list.stays.length} of {exact(list.total)}</td></tr> : null}</tbody></table>
	</>;
}
