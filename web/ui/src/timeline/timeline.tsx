// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The timeline as a component: canvas, minimap, tooltip, range and replay bars.
import { useEffect, useRef, useState } from 'preact/hooks';
import { app } from '../app';
import { ReplayBar } from '../replay';
import { RangeBar } from '../range';
import type { Link } from '../permalink';
import { useValue } from '../store';
import { ABOUT, AT_LEAST, STATES } from 'contract';
import { duration, exact, goidText } from '../format';
import { cutOff } from '../types';
import { CLOCKS, type Clock } from '../walltime';
import { CpuLanes } from './cpus';
import { Timeline } from './engine';
import { attachInput } from './input';
import { Minimap } from './minimap';
import { clockLeft, setCurrent } from './scene';
import { Tooltip } from './tooltip';
import { FollowButton, Legend } from '../toolbar';

// An address is gone to once, when the page opens.
let linkUsed = false;

export function TimelineView({ place }: { place?: Link['place'] }) {
	const canvas = useRef<HTMLCanvasElement>(null);
	const map = useRef<HTMLCanvasElement>(null);
	const [engine, setEngine] = useState<Timeline | null>(null);

	useEffect(() => {
		if (place && !linkUsed && place.source === app.source.get()) Object.assign(canvas.current!, { place });
		linkUsed = true;
		const timeline = new Timeline(canvas.current!);
		const detach = attachInput(timeline);
		const minimap = new Minimap(map.current!, timeline);
		setCurrent(timeline);
		(window as unknown as { timeline: Timeline }).timeline = timeline;
		setEngine(timeline);
		return () => {
			detach();
			minimap.destroy();
			timeline.destroy();
			setCurrent(null);
		};
	}, []);

	return (
		<div class="timeline">
			<div class="map-row"><Legend />
				<canvas class="minimap" ref={map} aria-label="Overview of the whole time; drag the window" role="img" /></div>
			{engine && <CpuLanes timeline={engine} />}
			<div class="canvas-box">
				<canvas class="rows" ref={canvas} tabIndex={0} role="application"
					aria-label="Timeline of goroutines. Arrow up and down choose one, W A S D move and zoom, ? shows all keys." />
				{engine && <Tooltip timeline={engine} />}
				<ClockChoice />
				<EmptyNote />
				<FollowButton />
			</div>
			<Announce />
			<RangeBar />
			<ReplayBar />
		</div>
	);
}

// By which clock the ruler goes, in its corner.
function ClockChoice() {
	const { clock } = useValue(app.settings), labels = useValue(app.labels), left = clockLeft(labels);
	return <select class="clock" aria-label="Clock" value={clock} title={CLOCKS[clock][1]} style={{ left: `${left}px`, width: `${Math.min(98, labels - left - 4)}px` }}
		onChange={(e) => app.set({ clock: e.currentTarget.value as Clock })}>{Object.entries(CLOCKS).map(([id, [name]]) => <option value={id}>{name}</option>)}</select>;
}

// For screen readers, which cannot see the canvas: what was chosen, and when it has ended; not each change of its state, and
// not how its time grows, which would be said ten times a second.
function Announce() {
	const goid = useValue(app.selected);
	const said = useRef({ of: '', text: '' });
	useValue(app.list);
	const row = goid === null ? undefined : app.table?.rows.get(goid), of = row ? `${row.goid} ${row.exited}` : '';
	if (of !== said.current.of)
		said.current = { of, text: row ? `goroutine ${goidText(row.goid)}, ${row.func}, ${row.exited ? STATES[row.state] :
			`${STATES[row.state]} ${row.reason} for ${row.flags & AT_LEAST ? '≥ ' : row.flags & ABOUT ? '≈ ' : ''}${duration(app.now() - row.began)}`}` : '' };
	return <div class="sr-only" aria-live="polite">{said.current.text}</div>;
}

function EmptyNote() {
	const list = useValue(app.list);
	const status = useValue(app.status);
	const { showSystem } = useValue(app.settings);
	const loading = status?.state === 'loading' ? `Reading the session… ${status.total ?
		`${Math.round(100 * (status.loaded ?? 0) / status.total)} %` : `${status.loaded ?? 0} events`}` :
		list.total && !app.table?.complete ? `Loading the rest… ${list.total} goroutines so far` : '';
	if (list.entries.length) return loading ? <div class="growing" role="status">{loading}</div> : null;
	let text = 'Reading the goroutines…';
	if (loading) text = loading;
	else if (list.error) text = list.error;
	else if (list.total) text = `No goroutine of ${exact(list.total)} that is shown matches the filter.${showSystem ? '' : " The runtime's own are not: Runtime, in the bar, shows them."}`;
	else if (!status) text = 'Asking the server…';
	else if (!status.processes?.length) text = 'Waiting for a process that runs the program…';
	else if (!app.usable || !app.table) text = 'Waiting for the first event…';
	else if (cutOff(status).length) text = `Nothing of the recording could be read: ${cutOff(status).map((l) => `${exact(l.count)} ${l.unit} ${l.what}`).join('; ')}.`;
	else if (app.table.complete) text = app.source.get() === 'live' ? 'No goroutine has been seen yet: the program has done nothing since tracing began.' : 'Nothing was recorded: the session has no event of a goroutine.';
	return <div class="empty">{text}</div>;
}
