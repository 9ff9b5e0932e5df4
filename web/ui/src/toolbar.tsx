// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The head of the page: what is looked at, how it is connected, its metrics; and the timeline's bar.
import { useEffect, useRef, useState } from 'preact/hooks';
import { app, VIEWS } from './app';
import { swatch } from './colors';
import { Downloads } from './downloads';
import { clock, count, duration, length } from './format';
import { copyText } from './clipboard';
import { linkNow } from './permalink';
import { completions } from './filter';
import { ProcessName } from './process';
import { GROUPS, SORTS } from './rows';
import { useValue } from './store';
import { cutOff, processOf, sum, type Status } from './types';
import { RUNNABLE, RUNNING, STATES, SYSCALL, WAITING, WAIT_KINDS } from 'contract';
import { current } from './timeline/scene';
import { stateHeight } from './timeline/strip';
import { KIND_MEANS, KIND_WORDS } from './waitkind';

export function Header() {
	const status = useValue(app.status);
	const view = useValue(app.view);
	const source = useValue(app.source);
	const index = useValue(app.proc);
	const proc = processOf(status, index);
	return (
		<header>
			<div class="brand" title="xgotopfs">xgotop<span>fs</span></div>
			<nav role="tablist" aria-label="Views">
				{VIEWS.map(([id, label]) => ((id !== 'sessions' && id !== 'compare') || app.info.get()?.sessions) && (
					<button role="tab" data-view={id} aria-selected={view === id} class={view === id ? 'on' : ''}
						onClick={() => app.view.set(id)}>{label}</button>))}
			</nav>
			<div class="target" title={proc ? `${proc.binary_path}\npid ${proc.pid}, ${proc.go_version}` : ''}>
				{source === 'live' ? null : <button class="chip" onClick={() => void app.open('live')}
					title="Back to what is live">Recorded ✕</button>}
				<ProcessName />
			</div>
			<Metrics />
			<ConnectionLight />
			<button class="icon" title="Settings" aria-label="Settings" onClick={() => app.dialog.set('settings')}>
				<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path fill="none" stroke="currentColor" stroke-width="1.4"
					d="M2 4h7M13 4h1M2 8h2M8 8h6M2 12h7M13 12h1M11 2.5v3M6 6.5v3M11 10.5v3" /></svg>
			</button>
			<button class="icon" title="Keys and help (?)" aria-label="Help" onClick={() => app.dialog.set('help')}>?</button>
		</header>
	);
}

const METRICS: [string, 'rps' | 'pps' | 'ewp' | 'lat' | 'prc', string][] = [
	['RPS', 'rps', 'Events read from the kernel a second'],
	['PPS', 'pps', 'Events processed a second'],
	['EWP', 'ewp', 'Events waiting to be processed'],
	['LAT', 'lat', 'Mean time in the BPF program a hit; the cost of the trap is not in it'],
	['PRC', 'prc', 'Mean time of processing an event'],
];

function Metrics() {
	const tick = useValue(app.figures);
	const status = useValue(app.status);
	if (useValue(app.source) !== 'live') return <SessionMetrics status={status} />;
	if (!tick) return <div class="metrics" />;
	return (
		<div class="metrics">
			{METRICS.map(([label, key, title]) => (
				<span class={key} title={title}><i>{label}</i> {key === 'lat' || key === 'prc' ? duration(tick[key]) : count(tick[key])}
					{key === 'rps' || key === 'pps' ? '/s' : ''}</span>))}
			<Wholeness sign="" title="Estimate of what the tracing costs the target, trap included, in the last second; 100% is one CPU. Problems and -max-overhead reckon in percent of the program's own CPU time, as said there" label="COST" text={`${tick.overhead.toFixed(tick.overhead < 10 ? 1 : 0)}% of 1 CPU`} />
			<Wholeness sign={tick.lost ? 'bad' : ''} title="Events lost since the start" label="LOST" text={count(tick.lost)} />
			<Wholeness sign={/difference|blind|behind/.test(tick.audit) ? 'bad' : ''}
				title="What events told, held each second against the program's memory" label="AUDIT" text={tick.audit} />
			{tick.probes ? <Wholeness sign={/off/.test(tick.probes) ? 'warn' : ''} label="PROBES" text={tick.probes}
				title={`What is attached (-probes), since ${clock((tick.probes_since_ns ?? 0) / 1e6)}: while probes are off, goroutines are told by memory and nothing is known of the time between two readings`} /> : null}
		</div>
	);
}

// A figure that says how whole the picture is; a click says all of it.
function Wholeness({ sign, title, label, text }: { sign: string; title: string; label: string; text: string }) {
	return <button class={`metric ${sign}`} title={`${title}. Click, or I: is the picture whole?`} onClick={() => app.dialog.set('whole')}><i>{label}</i> {text}</button>;
}

// What the session says of itself; what the tracer does now is of something else.
function SessionMetrics({ status }: { status: Status | null }) {
	if (!status?.events || !status.first_ns) return <div class="metrics" />;
	const events = sum(status.events), lost = status.lost_events, s = app.end() / 1e9;
	const torn = cutOff(status).length > 0;
	return (
		<div class="metrics">
			<span title="Events of the session"><i>EVENTS</i> {count(events)}</span>
			<span title="Events a second, on average"><i>RATE</i> {s > 0 ? count(events / s) : 0}/s</span>
			<span title="From its first to its last moment"><i>LENGTH</i> {length(app.end())}</span>
			<Wholeness sign={lost || torn ? 'bad' : ''} title={torn ? 'The session could not be read to its end' : 'Events lost while it was recorded'} label="LOST" text={torn ? `${count(lost)}, torn` : count(lost)} />
		</div>
	);
}

function ConnectionLight() {
	const connection = useValue(app.connection);
	const tick = useValue(app.figures);
	const status = useValue(app.status);
	const ended = tick?.ended || status?.id === 'live' && app.over;
	const text = connection === 'connected' ? (ended ? 'Ended' : 'Connected') :
		connection === 'connecting' ? 'Connecting…' : 'No connection';
	return <div class={`light ${connection} ${ended ? 'ended' : ''}`} role="status" title={text}>
		<i /><span>{text}</span></div>;
}

export function FollowButton() {
	const follow = useValue(app.follow);
	const paused = useValue(app.paused);
	const status = useValue(app.status);
	const tick = useValue(app.figures);
	const lostAt = useValue(app.lostAt);
	const left = useRef(0);
	// A tick counts over all processes.
	const created = (status && status.processes?.length > 1 ? status.created : tick?.created) ?? 0;
	useEffect(() => { if (follow) left.current = created; }, [follow, created]);
	if (!status || lostAt || !app.isLive || (follow && !paused)) return null;
	const fresh = left.current ? Math.max(0, created - left.current) : 0;
	return <button class="follow-badge" onClick={() => { app.setPaused(false); app.follow.set(true); }}>
		{paused ? '▶ Resume' : 'Follow live ▸'}{fresh ? <b>{count(fresh)} new</b> : null}</button>;
}

export function TimelineBar() {
	const browse = useValue(app.browse);
	const follow = useValue(app.follow);
	const paused = useValue(app.paused);
	const settings = useValue(app.settings);
	useValue(app.status); // live or not
	useValue(app.lostAt);
	const source = useValue(app.source);
	const zoom = (factor: number) => {
		const v = current?.view;
		if (!v) return;
		v.zoom(factor, app.follow.get() ? v.x(app.now()) : v.width / 2);
		current!.redraw();
	};
	return (
		<div class="bar tools">
			<FilterBox value={browse.filter} />
			<select aria-label="Sort" value={browse.sort} title="Sort rows"
				onChange={(e) => app.browse.update({ sort: e.currentTarget.value,
					descending: SORTS[e.currentTarget.value].desc })}>
				{Object.entries(SORTS).map(([id, s]) => <option value={id}>{s.label}</option>)}
			</select>
			<button class="icon" aria-label="Sort direction" title={browse.descending ? 'Largest first' : 'Smallest first'}
				onClick={() => app.browse.update({ descending: !browse.descending })}>{browse.descending ? '↓' : '↑'}</button>
			<select aria-label="Group" value={browse.group} title="Group rows"
				onChange={(e) => app.browse.update({ group: e.currentTarget.value })}>
				{Object.entries(GROUPS).map(([id, g]) => <option value={id}>{g.label}</option>)}
			</select>
			{browse.hidden.size ? <button class="chip" title="Show all hidden rows again" onClick={() => app.browse.update({ hidden: new Set() })}>
				{browse.hidden.size} hidden ✕</button> : null}
			<span class="sep" />
			<button aria-pressed={follow && app.canFollow} disabled={!app.canFollow} onClick={() => app.follow.set(!follow)} title="Follow the present (L)">Follow</button>
			<button aria-pressed={paused} disabled={!app.canFollow && !paused} onClick={() => app.setPaused(!paused)} title="Hold the picture (Space)">
				{paused ? 'Resume' : 'Pause'}</button>
			<label class="check" title={settings.exited === 'all' ? 'Rows of all goroutines that have exited' :
				'Rows of goroutines that have exited, too, when they lived in the visible time'}><input type="checkbox" checked={settings.exited !== 'none'}
				onChange={(e) => app.set({ exited: e.currentTarget.checked ? 'screen' : 'none' })} />Exited</label>
			<label class="check" title="The Go runtime's own goroutines, too"><input type="checkbox" checked={settings.showSystem}
				onChange={(e) => app.set({ showSystem: e.currentTarget.checked })} />Runtime</label>
			<label class="check" title="Who ran on which CPU, above the rows"><input type="checkbox" checked={settings.cpus}
				onChange={(e) => app.set({ cpus: e.currentTarget.checked })} />CPUs</label>
			<span class="sep" />
			<span class="together"><button class="icon" aria-label="Zoom out" title="Zoom out (S)" onClick={() => zoom(1.6)}>−</button>
			<Scale />
			<button class="icon" aria-label="Zoom in" title="Zoom in (W)" onClick={() => zoom(1 / 1.6)}>+</button>
			<button onClick={() => current?.fit()} title="All, or what is selected (F)">Fit</button>
			<button onClick={() => zoom(app.config.get().nanoseconds_per_pixel / app.scale.get())} title="The scale of the settings (0)">1×</button></span>
			<CopyLink />
			<Downloads source={source} label="Download" />
		</div>
	);
}

function CopyLink() {
	const [copied, setCopied] = useState(false);
	return <button title="Copy the address of what is on screen: time, rows, filter, groups, marks" onClick={() => void copyText(linkNow()).then(() => {
		setCopied(true);
		setTimeout(() => setCopied(false), 1500);
	}).catch((e) => app.fail(e))}>{copied ? 'Copied' : 'Link'}</button>;
}

function Scale() {
	const scale = useValue(app.scale);
	const config = useValue(app.config);
	return <span class="zoom" title={`${duration(scale)} a pixel; 1× is ${duration(config.nanoseconds_per_pixel)}`}>{duration(scale)}/px</span>;
}

// Of the rows that are known, the most frequent first.
export function functionNames(): string[] {
	const count = new Map<string, number>();
	for (const r of app.table?.rows.values() ?? []) if (r.func) count.set(r.func, (count.get(r.func) ?? 0) + 1);
	return [...count].sort((a, b) => b[1] - a[1]).slice(0, 200).map(([name]) => name);
}

let filterInput: HTMLInputElement | null = null;

export function focusFilter(): void {
	// The timeline's filter, or what the view in front is searched with.
	const input = filterInput ?? document.querySelector<HTMLInputElement>('.view input[type=search]');
	input?.focus();
	input?.select();
}

function FilterBox({ value }: { value: string }) {
	const { error } = useValue(app.list);
	const input = useRef<HTMLInputElement>(null);
	useEffect(() => {
		filterInput = input.current;
		return () => { filterInput = null; };
	}, []);
	return (
		<div class={`filter ${error ? 'bad' : ''}`}>
			<input ref={input} type="search" list="filter-words" placeholder="Filter or search" value={value}
				spellcheck={false} autocomplete="off" aria-label="Filter goroutines" aria-invalid={!!error} title={error || 'Filter (/), such as state:waiting func:main.* age>5m'}
				onInput={(e) => app.browse.update({ filter: e.currentTarget.value })}
				onKeyDown={(e) => {
					if (e.key === 'Enter') {
						const first = app.list.get().matched[0];
						if (first) {
							app.selected.set(first.goid);
							current?.reveal(first.goid);
						}
						current?.canvas.focus();
					} else if (e.key === 'Escape') {
						if (!e.currentTarget.value) current?.canvas.focus();
						app.browse.update({ filter: '' });
					}
					e.stopPropagation();
				}} />
			<datalist id="filter-words">{completions(value, functionNames).map((text) => <option value={text} />)}</datalist>
			{error ? <div class="filter-error">{error}</div> : null}
		</div>
	);
}

const LEGEND: number[] = [RUNNING, SYSCALL, RUNNABLE, WAITING];
const KINDS = WAIT_KINDS.map((_, k) => k).filter((k) => WAIT_KINDS[k] !== 'other');
const KIND_SHORT: Record<number, string> = { [WAIT_KINDS.indexOf('channel')]: 'chan', [WAIT_KINDS.indexOf('network')]: 'net' };
const RARE = STATES.map((_, s) => s).filter((s) => !LEGEND.includes(s)); // shown when there is one

// The states with their marks, how many goroutines are in each, and a click to filter.
export function Legend() {
	const look = useValue(app.look);
	const settings = useValue(app.settings);
	const status = useValue(app.status);
	const playhead = useValue(app.playhead);
	const browse = useValue(app.browse);
	// The server's word: rows come later. Of a replay's position it has none.
	const states = playhead === null ? status?.states : undefined;
	const counts = states && STATES.map((name) => states[name] ?? 0);
	const toggle = (key: 'state' | 'wait', name: string) => {
		const term = `${key}:${name}`;
		const words = browse.filter.split(/\s+/).filter(Boolean);
		app.browse.update({ filter: (words.includes(term) ? words.filter((w) => w !== term) :
			[...words.filter((w) => !/^(state|wait):/.test(w)), term]).join(' ') });
	};
	const frozen = !!useValue(app.lostAt) || app.over;
	const shown = [...LEGEND, ...RARE.filter((s) => counts?.[s])];
	return (
		<div class="legend" aria-label="States">
			{shown.map((s) => (
				<button class={`${frozen ? 'was ' : ''}${browse.filter.includes(`state:${STATES[s]}`) ? 'on' : ''}`} onClick={() => toggle('state', STATES[s])}
					title={`Only ${STATES[s]} goroutines${frozen ? '; how many there were then' : ''}`}>
					<i class="mark"><i style={{ background: swatch(look, s),
						height: `${Math.round(12 * stateHeight(s, settings.marks))}px` }} /></i>
					{STATES[s]} <b>{counts ? count(counts[s]) : ''}</b></button>))}
			{settings.palette === 'server' ? null : <div class="kinds" role="group" aria-label="Kinds of waiting">{KINDS.map((k) => (
				<button class={browse.filter.split(/\s+/).includes(`wait:${WAIT_KINDS[k]}`) ? 'on' : ''} title={`Only those that wait ${KIND_MEANS[WAIT_KINDS[k]]}`} onClick={() => toggle('wait', WAIT_KINDS[k])}>
					<i style={{ background: look.wait[k] }} />{KIND_SHORT[k] ?? KIND_WORDS[k]}</button>))}</div>}
		</div>
	);
}
