// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is under the pointer. The exact span comes from the server once the pointer rests.
import { useEffect, useRef, useState } from 'preact/hooks';
import { app } from '../app';
import { useValue } from '../store';
import { at as url, getJson, int, tellable, TOO_LARGE } from '../api';
import { swatch } from '../colors';
import { brief, bytes, duration, exact as exactly, goidText } from '../format';
import { cellAllocs, cellBytes, cellFlags, cellShare, cellTransitions, lookUp } from '../tiles';
import { CELL_CREATED, CELL_EXITED, EXITED, NONE, SHARE_STATES, SPAN, STATES, UNKNOWN, type Span } from 'contract';
import type { Lane } from '../lanes';
import type { Row } from '../types';
import { dayTime } from '../walltime';
import { KIND_WORDS, kindShown, stateOf } from '../waitkind';
import type { Timeline } from './engine';

interface Exact {
	goid: number;
	from: number;
	to: number; // 0: still in it
	state: number;
	reason: string;
	by: number;
}

// What the finest tile at hand, the one that is drawn, says of a time: a pure stay, or a mixed bucket.
function lookAt(t: Timeline, row: Row, time: number) {
	const tile = t.tileAt(row.goid, time);
	if (!tile) return null;
	const width = 2 ** tile.level, { cell, state } = lookUp(tile, time);
	const coarser = tile.coarser || t.gone(row.goid, time); // than what is asked for
	if (cell < 0) return { coarser, mixed: false, width, state, spans: 1, transitions: 0, allocs: 0, bytes: 0, shares: [] };
	// Its first change begins none where it came to be, and its last none where it ended.
	const transitions = cellTransitions(tile, cell), flags = cellFlags(tile, cell);
	const spans = Math.max(1, transitions + 1 - (flags & CELL_CREATED ? 1 : 0) - (flags & CELL_EXITED ? 1 : 0));
	return { coarser, mixed: true, width, state, spans, transitions, allocs: cellAllocs(tile, cell), bytes: cellBytes(tile, cell),
		shares: SHARE_STATES.map((_, s) => cellShare(tile, cell, s) / 255) };
}

// What a row of several lives is.
function Crowd({ t, lane }: { t: Timeline; lane: Lane }) {
	const style = { left: `${t.hover!.x + 14}px`, top: `${Math.min(t.hover!.y + 18, t.canvas.clientHeight - 80)}px` };
	return <div class="tooltip" style={style}><div><b>{exactly(lane.rows.length)} goroutines</b> that lived shortly and have exited</div>
		<div class="mono">{lane.func ? brief(lane.func) : '(function unknown)'}</div><div class="muted">None of those in one row overlap.</div></div>;
}

export function Tooltip({ timeline: t }: { timeline: Timeline }) {
	const [exact, setExact] = useState<Exact | null>(null);
	const timer = useRef(0);
	const [, again] = useState(0);
	useEffect(() => {
		t.onHover = () => again((n) => n + 1);
		return () => { t.onHover = () => {}; };
	}, [t]);
	const hover = t.hover;
	const row = hover?.entry?.row;
	const time = hover?.time ?? 0;

	useEffect(() => {
		clearTimeout(timer.current);
		if (!row || hover!.area !== 'rows' || !tellable(row.goid)) return;
		timer.current = setTimeout(() => {
			const at = int(time + app.origin);
			getJson<{ spans: Span[] }>(
				url(app.source.get(), `goroutines/${row.goid}/spans?from=${at}&to=${at}&limit=1`))
				.then(({ spans: [s] }) => setExact(s ? { goid: row.goid, from: s[SPAN.begin] - app.origin,
					to: s[SPAN.end] ? s[SPAN.end] - app.origin : 0, state: s[SPAN.state], reason: s[SPAN.reason],
					by: s[SPAN.ended_by] } : null))
				.catch(() => setExact(null));
		}, 120) as unknown as number;
		return () => clearTimeout(timer.current);
	}, [row?.goid, Math.round((hover?.x ?? 0) / 2)]);

	useValue(app.list);
	const lane = hover?.lane;
	if (lane && hover.area === 'label') return <Crowd t={t} lane={lane} />;
	if (!row || !hover || hover.area === 'ruler') return null;
	// The rows may have moved under a pointer that did not.
	if (t.hit(hover.x, hover.y).entry?.row?.goid !== row.goid) return null;
	const now = app.now();
	const left = Math.min(hover.x + 14, t.canvas.clientWidth - 290);
	const below = hover.y < t.canvas.clientHeight - 170;
	const style = { left: `${Math.max(4, left)}px`, ...(below ? { top: `${hover.y + 18}px` } :
		{ bottom: `${t.canvas.clientHeight - hover.y + 12}px` }) };
	const sure = exact && exact.goid === row.goid && exact.from <= time && (!exact.to || exact.to > time);
	const seen = hover.area === 'rows' && time >= row.created && time <= (row.exited || now) ?
		lookAt(t, row, time) : null;
	return (
		<div class="tooltip" style={style}>
			<div><b>Goroutine {goidText(row.goid)}</b> {row.flags & EXITED ? <span class="muted">exited</span> : null}</div>
			<div class="mono">{row.func ? brief(row.func) : '(function unknown)'}</div>
			{lane ? <div class="muted">lived {duration(row.exited - row.created)}{t.many(lane, time) > 1 ? <span>; <b>{exactly(t.many(lane, time))} goroutines</b> in this pixel</span> : null}</div> : null}
			{tellable(row.goid) ? null : <div class="warn">{TOO_LARGE}: what it did is not drawn</div>}
			{hover.area === 'label' ? <div>{row.exited ? 'lived' : 'age'} {duration((row.exited || now) - row.created)}
				{', '}{row.events} events, {bytes(row.bytes)} allocated</div> : null}
			{hover.area === 'rows' && sure ? <>
				<div><i class="dot" style={{ background: swatch(t.colors, exact.state, exact.reason) }} />
					{STATES[exact.state]}{exact.reason ? `: ${exact.reason}` : ''}{' '}
					<b>{duration((exact.to || now) - exact.from)}</b>{exact.to ? '' : ' so far'}</div>
				<div class="muted">from {app.timeText(exact.from)}{app.settings.get().clock === 'since' ? <span>, {dayTime(exact.from, 1e6, app.day('local'))}</span> : null}{exact.by ? `, ended by goroutine ${goidText(exact.by)}` : ''}</div>
			</> : seen && seen.state !== NONE ? <div><i class="dot" style={{ background: seen.state === UNKNOWN ? swatch(t.colors, UNKNOWN) : t.colors.cell[seen.state] }} />
				{STATES[stateOf(seen.state)]}{kindShown(seen.state) > 0 ? `: ${KIND_WORDS[kindShown(seen.state)]}` : ''}</div> : null}
			{seen?.mixed && (seen.spans > 1 || seen.allocs > 0) ? <div class="muted">
				in {duration(seen.width)} here: <b>{exactly(seen.spans)} span{seen.spans === 1 ? '' : 's'}</b>
				{seen.allocs ? `, ${seen.allocs} allocations (${bytes(seen.bytes)})` : ''}
				{seen.transitions > 1 ? <span>; {seen.shares.map((s, i) => (s > 0.01 ?
					`${STATES[SHARE_STATES[i]]} ${Math.round(s * 100)} %` : '')).filter(Boolean).join(', ')}</span> : null}
			</div> : null}
			{seen?.coarser ? <div class="warn">What is finer than {duration(seen.width)} is no longer kept of this time.</div> : null}
		</div>
	);
}

