// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Heat maps over time: a column a bucket of the server's series, darker the more. How long goroutines
// waited for a CPU, and how busy they were. A drag chooses the time for the timeline.
import { LEVEL_MAX, RUNNABLE, RUNNING, SERIES_LEVEL_MIN } from 'contract';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { app } from './app';
import { at, getJson, int } from './api';
import { duration, exact, rulerMarks } from './format';
import { useValue } from './store';

export interface Heat {
	width_ns: number;
	start_ns: number;
	base?: number; // of a latency: row i is [2^(i + base), 2^(i + base + 1)) ns; the first also less, the last also more
	rows: number;
	since_ns?: number; // what is before is not complete: it is no longer kept as finely
	counts: number[][];
}

const LEFT = 62, BOTTOM = 22, ROW = 12, COLUMNS = 160;

export function getHeat(source: string, what: 'latency' | 'utilisation', end: number, length: number): Promise<Heat> {
	const level = Math.max(SERIES_LEVEL_MIN, Math.min(LEVEL_MAX, Math.ceil(Math.log2(Math.max(length, 1e6) / COLUMNS))));
	const last = Math.floor((app.origin + end) / 2 ** level);
	const n = Math.max(2, Math.min(300, Math.ceil(length / 2 ** level)));
	return getJson<Heat>(at(source, `${what}/${level}/${int(last - n + 1)}?n=${n}`));
}

export function LatencyHeat({ heat }: { heat: Heat }) {
	const bound = (row: number) => 2 ** (row + (heat.base ?? 0));
	const name = (row: number) => (row === 0 ? `< ${duration(bound(1))}` : row === heat.rows - 1 ? `≥ ${duration(bound(row))}` :
		`${duration(bound(row))} – ${duration(bound(row + 1))}`);
	return <HeatMap heat={heat} kind="waits" title="Scheduling latency over time" color={app.look.get().state[RUNNABLE]}
		note={(total) => `runnable until running: ${exact(total)} waits in this time`} none="No wait for a CPU in this time."
		unit="waits a cell" say={(n, row) => <><b>{exact(n)}</b> waited {name(row)}</>} mark={(row) => (row ? duration(bound(row)) : '')} />;
}

export function BusyHeat({ heat }: { heat: Heat }) {
	const step = 100 / heat.rows;
	return <HeatMap heat={heat} kind="busy" title="Utilisation" color={app.look.get().state[RUNNING]} whole
		note={() => 'goroutines by the share of the time that they ran'} none="No goroutine ran in this time."
		unit="goroutines a cell" say={(n, row) => <><b>{exact(n)}</b> ran {row * step} – {(row + 1) * step} % of the time</>} mark={(row) => `${row * step} %`} />;
}

interface HeatProps {
	heat: Heat;
	kind: string; // a class of the figure
	title: string;
	note: (total: number) => string;
	none: string;
	unit: string;
	color: string;
	say: (n: number, row: number) => ComponentChildren;
	mark: (row: number) => string; // of a row's lower bound
	whole?: boolean; // all rows, not only those that anything falls into
}

interface Pointer { x: number; y: number }

// The rows that anything falls into, with one around them for the eye.
function rowsOf(heat: Heat): [number, number] {
	let low = heat.rows, high = -1; // nothing yet
	for (const column of heat.counts) {
		column.forEach((n, i) => {
			if (!n) return;
			low = Math.min(low, i);
			high = Math.max(high, i);
		});
	}
	if (high < 0) low = 1;
	low = Math.max(0, low - 1);
	return [low, Math.min(heat.rows - 1, Math.max(high + 1, low + 5))];
}

function HeatMap(props: HeatProps) {
	const { heat, color, whole } = props;
	const canvas = useRef<HTMLCanvasElement>(null);
	const [width, setWidth] = useState(460);
	const [pointer, setPointer] = useState<Pointer | null>(null);
	const [drag, setDrag] = useState<[number, number] | null>(null); // columns
	const theme = useValue(app.theme);
	const [low, high] = whole ? [0, heat.rows - 1] : rowsOf(heat);
	const rows = Math.max(1, high - low + 1), height = rows * ROW + BOTTOM;
	const most = Math.max(1, ...heat.counts.map((c) => Math.max(0, ...c)));
	const total = heat.counts.reduce((sum, c) => sum + c.reduce((a, b) => a + b, 0), 0);
	const cell = (width - LEFT) / heat.counts.length;
	const timeOf = (column: number) => heat.start_ns + column * heat.width_ns - app.origin;

	useEffect(() => {
		const observer = new ResizeObserver(() => setWidth(canvas.current?.parentElement?.clientWidth || 460));
		observer.observe(canvas.current!.parentElement!);
		return () => observer.disconnect();
	}, []);
	useEffect(() => {
		paint(canvas.current!, heat, { width, height, low, high, most, cell, drag, color, mark: props.mark });
	}, [heat, width, height, theme, drag]);

	const local = (e: PointerEvent): Pointer => {
		const r = canvas.current!.getBoundingClientRect();
		return { x: e.clientX - r.left, y: e.clientY - r.top };
	};
	const columnAt = (x: number) => Math.max(0, Math.min(heat.counts.length - 1, Math.floor((x - LEFT) / cell)));
	const up = () => {
		if (drag && drag[0] !== drag[1]) {
			const [a, b] = [Math.min(...drag), Math.max(...drag)];
			app.showRange({ from: Math.max(0, timeOf(a)), to: timeOf(b + 1) });
		}
		setDrag(null);
	};
	// What is under the pointer now: one that rests is told what comes there.
	const row = pointer && pointer.x >= LEFT ? high - Math.floor(pointer.y / ROW) : -1, column = columnAt(pointer?.x ?? 0);
	return (
		<figure class={`plot heat ${props.kind}`}><figcaption>{props.title} <span class="muted">{props.note(total)}; a cell is {duration(heat.width_ns)} wide</span></figcaption>
			<div class="heat-box">
				<canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} role="img" aria-label={`${props.title}: ${props.note(total)}`}
					onPointerDown={(e) => { e.currentTarget.setPointerCapture(e.pointerId); const at = columnAt(local(e).x); setDrag([at, at]); }}
					onPointerMove={(e) => { const at = local(e); setPointer(at); if (drag) setDrag([drag[0], columnAt(at.x)]); }}
					onPointerUp={up} onPointerLeave={() => setPointer(null)} onPointerCancel={() => setDrag(null)} />
				{pointer && row >= low && row <= high ? <div class="tooltip" style={{ left: `${Math.max(0, Math.min(pointer.x + 12, width - 190))}px`, top: `${pointer.y + 14}px` }}>
					{props.say(heat.counts[column]?.[row] ?? 0, row)}<div class="muted">at {duration(timeOf(column))}</div></div> : null}
			</div>
			<div class="heat-key muted">{total ? <>1 <i style={{ '--hot': color }} /> {exact(most)} {props.unit}{(heat.since_ns ?? 0) > heat.start_ns ? `; pale: not of all goroutines, before ${duration(heat.since_ns! - app.origin)}` : ''}</> : props.none}</div>
		</figure>
	);
}

interface Shape { width: number; height: number; low: number; high: number; most: number; cell: number; drag: [number, number] | null; color: string; mark: (row: number) => string }

function paint(canvas: HTMLCanvasElement, heat: Heat, s: Shape): void {
	const dpr = Math.min(window.devicePixelRatio || 1, 3);
	canvas.width = Math.round(s.width * dpr);
	canvas.height = Math.round(s.height * dpr);
	const ctx = canvas.getContext('2d')!;
	const css = getComputedStyle(document.documentElement);
	const muted = css.getPropertyValue('--muted').trim(), grid = css.getPropertyValue('--grid').trim();
	ctx.scale(dpr, dpr);
	ctx.fillStyle = css.getPropertyValue('--stripe').trim();
	ctx.fillRect(LEFT, 0, s.width - LEFT, s.height - BOTTOM);
	ctx.fillStyle = s.color;
	heat.counts.forEach((column, c) => column.forEach((n, i) => {
		if (!n) return;
		// By the logarithm: one long wait must show beside thousands of short ones.
		ctx.globalAlpha = 0.18 + 0.82 * Math.log2(n + 1) / Math.log2(s.most + 1);
		ctx.fillRect(LEFT + c * s.cell, (s.high - i) * ROW, Math.max(1, s.cell - (s.cell > 4 ? 1 : 0)), ROW - 1);
	}));
	ctx.globalAlpha = 1;
	// What is not complete stands behind a veil.
	const since = ((heat.since_ns ?? 0) - heat.start_ns) / heat.width_ns;
	if (since > 0) {
		ctx.globalAlpha = 0.6;
		ctx.fillStyle = css.getPropertyValue('--bg').trim();
		ctx.fillRect(LEFT, 0, Math.min(since * s.cell, s.width - LEFT), s.height - BOTTOM);
		ctx.globalAlpha = 1;
	}
	if (s.drag) {
		const [a, b] = [Math.min(...s.drag), Math.max(...s.drag)];
		ctx.fillStyle = css.getPropertyValue('--accent').trim();
		ctx.globalAlpha = 0.25;
		ctx.fillRect(LEFT + a * s.cell, 0, (b - a + 1) * s.cell, s.height - BOTTOM);
		ctx.globalAlpha = 1;
	}
	ctx.font = '11px system-ui, sans-serif';
	ctx.fillStyle = muted;
	ctx.textAlign = 'right';
	ctx.textBaseline = 'middle';
	for (let row = s.low; row <= s.high; row++) {
		if ((row - s.low) % 3 || !s.mark(row)) continue;
		const y = (s.high - row + 1) * ROW;
		if (y > s.height - BOTTOM) continue;
		ctx.fillText(s.mark(row), LEFT - 6, Math.min(y - 0.5, s.height - BOTTOM - 2));
		ctx.fillStyle = grid;
		ctx.fillRect(LEFT - 4, y - 1, 4, 1);
		ctx.fillStyle = muted;
	}
	ctx.textBaseline = 'top';
	const scale = heat.width_ns / s.cell, begin = heat.start_ns - app.origin;
	for (const { t, text } of rulerMarks(Math.max(0, begin), begin + heat.counts.length * heat.width_ns, scale)) {
		const x = LEFT + (t - begin) / scale, half = ctx.measureText(text).width / 2;
		if (x - half > LEFT && x + half > s.width) continue; // it would be cut off
		ctx.textAlign = x - half < LEFT ? 'left' : 'center';
		ctx.fillText(text, x, s.height - BOTTOM + 6);
	}
}
