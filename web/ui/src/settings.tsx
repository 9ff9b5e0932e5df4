// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The dialogs: settings, keys, and going to a goroutine.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { app, NOTE_MAX } from './app';
import { getJson, post } from './api';
import { Dialog } from './dialog';
import { rulerTime } from './format';
import { goToRow, showTime } from './goto';
import { useValue } from './store';
import { current } from './timeline/scene';
import { STATES } from 'contract';
import type { UiSettings } from './types';
import { dayTime, readTime } from './walltime';

export function Dialogs() {
	const which = useValue(app.dialog);
	if (which === 'settings') return <Settings />;
	if (which === 'help') return <Help />;
	if (which === 'mark') return <MarkNote />;
	return which === 'goto' ? <GoTo /> : null;
}

function Settings() {
	const s = useValue(app.settings);
	const config = useValue(app.config);
	const choose = <K extends keyof UiSettings>(key: K, options: [UiSettings[K], string][]) => (
		<div class="segments">{options.map(([value, label]) => (
			<button aria-pressed={s[key] === value} class={s[key] === value ? 'on' : ''} onClick={() => app.set({ [key]: value } as Partial<UiSettings>)}>{label}</button>))}</div>);
	const check = (key: keyof UiSettings, label: string) => (
		<label class="check"><input type="checkbox" checked={!!s[key]} onChange={(e) => app.set({ [key]: e.currentTarget.checked } as Partial<UiSettings>)} />{label}</label>);
	return (
		<Dialog title="Settings">
			<h3>Look <span class="muted">yours, kept in this browser</span></h3>
			<div class="field"><span>Theme</span>{choose('theme', [['system', 'System'], ['light', 'Light'], ['dark', 'Dark']])}</div>
			<div class="field"><span>Colours</span><div>{choose('palette', [['kinds', 'Kinds of waiting'], ['server', "xgotop's, as stored below"]])}</div></div>
			<div class="field"><span>Rows</span>{choose('rowHeight', [[12, 'Compact'], [20, 'Normal'], [30, 'Tall']])}</div>
			<div class="field"><span>Arrows</span>{choose('edges', [['none', 'None'], ['selected', 'Of the selected'], ['visible', 'All on screen']])}</div>
			<div class="field"><span>Show</span><div class="stack-fields">
				{check('allocations', 'allocations under each row')}
				{check('marks', 'states by height as well as colour')}
				{check('showSystem', "the runtime's own goroutines")}
				{check('lanes', 'short lives of one function that have ended in one row')}</div></div>
			<div class="field"><span>Label column</span><div><input type="range" min={60} max={700} step={10} value={s.labels} aria-label="Width of the label column"
				onInput={(e) => app.set({ labels: Number(e.currentTarget.value) })} /> {s.labels} px</div></div>
			<div class="field"><span>Exited rows</span>{choose('exited', [['screen', 'Lived in the visible time'], ['all', 'All'], ['none', 'None']])}</div>
			<div class="field"><span>Exited rows stay</span><div><input type="range" min={0} max={60} value={s.exitedKeep} aria-label="Seconds an exited goroutine's row stays"
				onInput={(e) => app.set({ exitedKeep: Number(e.currentTarget.value) })} /> {s.exitedKeep ? `${s.exitedKeep} s` : 'as long as they are kept'}</div></div>
			<h3>Shared <span class="muted">kept on the server, for everybody who looks</span></h3>
			<div class="field"><span>Scale of 1×</span><div><input type="number" min={1} max={1e12} value={config.nanoseconds_per_pixel} aria-label="Nanoseconds per pixel"
				onChange={(e) => void app.setConfig({ nanoseconds_per_pixel: Number(e.currentTarget.value) })} /> ns a pixel</div></div>
			<div class="field"><span>States</span><div class="colors">{STATES.map((name, i) => config.state_colors[i] ? (
				<label><input type="color" value={config.state_colors[i]} onChange={(e) => void app.setConfig({ state_colors: { [i]: e.currentTarget.value } })} />{name}</label>) : null)}</div></div>
			<div class="field"><span>Allocations</span><div class="colors">{Object.entries(config.type_colors).map(([name, color]) => (
				<label><input type="color" value={color} onChange={(e) => void app.setConfig({ type_colors: { [name]: e.currentTarget.value } })} />{name}</label>))}</div></div>
			<Control />
		</Dialog>
	);
}

interface ControlState { sample?: string; paused?: boolean; probes?: string; max_overhead?: number; replay?: string }

// What the tracing itself does: changes here reach the target's probes.
function Control() {
	const [state, setState] = useState<ControlState>({});
	const [sample, setSample] = useState('');
	const [note, setNote] = useState('');
	const [asking, setAsking] = useState(false);
	useEffect(() => {
		getJson<ControlState>('/api/control').then((c) => { setState(c); setSample(c.sample ?? ''); }).catch(() => {});
	}, []);
	if (state.sample === undefined && state.paused === undefined) return null;
	const send = (change: ControlState) => post<ControlState>('/api/control', change).then((c) => { setState(c); setNote(''); })
		.catch((e) => setNote((e as Error).message));
	return <>
		<h3>Tracing <span class="muted">shared: changes hold for everybody, and reach the program</span></h3>
		{state.sample !== undefined ? <div class="field"><span>Sampling</span><div><input class="mono" size={38} value={sample} aria-label="Sampling rates"
			onInput={(e) => setSample(e.currentTarget.value)} onKeyDown={(e) => { if (e.key === 'Enter') void send({ sample }); }} />
			<button onClick={() => void send({ sample })}>Set</button></div></div> : null}
		{state.paused !== undefined ? <div class="field"><span>Probes</span><div>{state.paused || !asking ?
			<button onClick={() => { if (state.paused) void send({ paused: false }); else setAsking(true); }}>{state.paused ? 'Attach again' : 'Detach…'}</button> :
			<span role="alertdialog" aria-label="Detach?">Nothing is traced until they are attached again, for nobody. <button onClick={() => { setAsking(false); void send({ paused: true }); }}>Detach</button> <button onClick={() => setAsking(false)}>Keep</button></span>}</div></div> : null}
		{state.probes !== undefined ? <div class="field"><span>Level</span><select aria-label="Level of the probes" value={state.probes}
			onChange={(e) => void send({ probes: e.currentTarget.value })}>
			{['full', 'light', 'demand', 'none'].map((level) => <option value={level}>{level}</option>)}</select></div> : null}
		{note ? <p class="bad">{note}</p> : null}
	</>;
}

const KEYS: [string, string][] = [
	['W S, + −, Ctrl+wheel', 'zoom in and out, at the pointer'],
	['A D, ← →, Shift+wheel', 'earlier and later (Shift: half a screen)'],
	['↑ ↓', 'previous and next goroutine'],
	['wheel, Page Up/Down, Home, End', 'scroll the rows'],
	['drag', 'move; on the ruler or with Shift: select time; with Ctrl: zoom into a box'],
	['. ,', "next and previous change of the selected goroutine's state"],
	['F', 'fit: the selection, the selected goroutine, or all'],
	['0', 'the scale of 1×'],
	['L', 'follow the present'],
	['Space', 'hold the picture, or play a recorded session'],
	['/', 'filter and search'],
	['G', 'go to a goroutine by number, or to a time'],
	['M', 'mark the time at the pointer with a note'],
	['T', 'clock: since the start, local, UTC'],
	['P H', 'pin and hide the selected row'],
	['U', 'go to the goroutine that woke the selected one'],
	['R', 'who ran instead, while it could run: at the pointer, or the longest of the selected one'],
	['B', 'why it waited, from the wait to the root: at the pointer, or of the selected one'],
	['C', 'compact rows'],
	['E', 'arrows: who woke and created whom'],
	['I', 'is the picture whole: loss, audit, coverage'],
	['1 … 7', 'views'],
	['Ctrl+Z, Ctrl+Shift+Z', 'back to where you looked before, and forth again'],
	['Esc', 'close, clear'],
];

const TERMS: [string, string][] = [
	['state:waiting,syscall', 'in one of these states'],
	['func:main.* site:*Serve', 'start function, go statement; * and ? stand for anything'],
	['wait:chan* wait:sync', 'what it waits for, or the kind: sync channel network sleep idle gc'],
	['age>5m since>30s', 'how old; how long in its state'],
	['waiting>1s runnable>10ms', 'time in all'],
	['alloc>1MB events>1000 children>10', 'how much it did'],
	['flag:system flag:exited flag:live', 'kinds; -flag:system leaves them out'],
	['handler 4711', 'a word anywhere, or a number'],
];

function Help() {
	return (
		<Dialog title="Keys and filters">
			<div class="help"><table><tbody>{KEYS.map(([k, what]) => <tr><td><kbd>{k}</kbd></td><td>{what}</td></tr>)}</tbody></table>
				<div><h3>Filter</h3><table><tbody>{TERMS.map(([k, what]) => <tr><td><code>{k}</code></td><td>{what}</td></tr>)}</tbody></table>
					<h3>Rows</h3><p>A state stands at its own height: running fills the row, then syscall, runnable, and waiting as a line. Where several fall into one pixel they are stacked by their share of the time.
						The strip below is allocations. Hatched: events were lost there.</p></div></div>
		</Dialog>
	);
}

function MarkNote() {
	const mark = app.marked.get()!;
	const [note, setNote] = useState(mark.note);
	const input = useRef<HTMLInputElement>(null);
	useLayoutEffect(() => input.current!.focus(), []);
	const done = (text: string) => {
		app.setMark(mark, text.trim());
		app.dialog.set('');
	};
	return (
		<Dialog title={`Mark at ${app.timeText(mark.t, 1e3)}`}>
			<input ref={input} class="note-input" placeholder="note" maxLength={NOTE_MAX} value={note} onInput={(e) => setNote(e.currentTarget.value)} aria-label="Note"
				onKeyDown={(e) => { e.stopPropagation(); if (e.key === 'Enter') done(note); if (e.key === 'Escape') app.dialog.set(''); }} />
			<p><button onClick={() => done(note)} disabled={!note.trim()}>Keep</button> {mark.note ? <button onClick={() => done('')}>Remove</button> : null}
				<span class="muted"> Marks are in the address, for whoever gets the link.</span></p>
		</Dialog>
	);
}

function GoTo() {
	const [text, setText] = useState('');
	const input = useRef<HTMLInputElement>(null);
	useLayoutEffect(() => input.current!.focus(), []);
	const row = /^\s*\d+\s*$/.test(text) ? app.table?.rows.get(Number(text)) : undefined;
	const time = row ? null : readTime(text, app.wallTime(0), app.end());
	const go = () => {
		if (time !== null) {
			app.dialog.set('');
			const v = current?.view, half = v ? (v.t1 - v.t0) / 2 : 5e9;
			return showTime(time - half, time + half);
		}
		if (!row) return;
		app.dialog.set('');
		goToRow(row.goid);
	};
	return (
		<Dialog title="Go to goroutine or time">
			<input ref={input} placeholder="number, or time: 12.5s  14:03:05  …Z" value={text} onInput={(e) => setText(e.currentTarget.value)} aria-label="Goroutine number or time"
				onKeyDown={(e) => { e.stopPropagation(); if (e.key === 'Enter') go(); if (e.key === 'Escape') app.dialog.set(''); }} />
			<p class="muted">{text ? (row ? `${row.func || '(function unknown)'}, ${STATES[row.state]}` : time !== null ? `${rulerTime(time, 1e6)} after the beginning, ${dayTime(time, 1e6, app.day('local'))} local, ${dayTime(time, 1e6, app.day('utc'))} UTC` :
				/^\s*\d+\s*$/.test(text) ? 'no such goroutine is known' : 'neither a number nor a time') : ''}</p>
		</Dialog>
	);
}
