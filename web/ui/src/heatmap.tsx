// How long goroutines waited for a CPU, over time: a column a bucket of the server's series, a row a
// power of two, darker the more. Every wait the events tell of is counted; none is estimated.
import { useEffect, useRef, useState } from 'preact/hooks';
import { app } from './app';
import { at, getJson } from './api';
import { duration, exact } from './format';
import { useValue } from './store';

export interface Heat {
	width_ns: number;
	start_ns: number;
	base: number; // row i: [2^(i + base), 2^(i + base + 1)) ns; the first also less, the last also more
	rows: number;
	counts: number[][];
}

const LEFT = 62, BOTTOM = 22, ROW = 12, COLUMNS = 160;

interface Hover { column: number; row: number; x: number; y: number }

export function getHeat(source: string, end: number, length: number): Promise<Heat> {
	const level = Math.max(20, Math.min(44, Math.ceil(Math.log2(Math.max(length, 1e6) / COLUMNS))));
	const last = Math.floor((app.origin + end) / 2 ** level);
	const n = Math.max(2, Math.min(1000, Math.ceil(length / 2 ** level)));
	return getJson<Heat>(at(source, `latency/${level}/${Math.max(0, last - n + 1)}?n=${n}`));
}

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

const bound = (heat: Heat, row: number) => 2 ** (row + heat.base);

function label(heat: Heat, row: number): string {
	if (row === 0) return `< ${duration(bound(heat, 1))}`;
	return row === heat.rows - 1 ? `≥ ${duration(bound(heat, row))}` : `${duration(bound(heat, row))} – ${duration(bound(heat, row + 1))}`;
}

export function LatencyHeat({ heat }: { heat: Heat }) {
	const canvas = useRef<HTMLCanvasElement>(null);
	const [width, setWidth] = useState(460);
	const [hover, setHover] = useState<Hover | null>(null);
	const [drag, setDrag] = useState<[number, number] | null>(null); // columns
	const theme = useValue(app.theme);
	const [low, high] = rowsOf(heat);
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
		paint(canvas.current!, heat, { width, height, low, high, most, cell, drag });
	}, [heat, width, height, theme, drag]);

	const local = (e: PointerEvent): Hover => {
		const r = canvas.current!.getBoundingClientRect();
		const x = e.clientX - r.left, y = e.clientY - r.top;
		return { x, y, column: Math.max(0, Math.min(heat.counts.length - 1, Math.floor((x - LEFT) / cell))), row: high - Math.floor(y / ROW) };
	};
	const up = () => {
		if (drag && drag[0] !== drag[1]) {
			const [a, b] = [Math.min(...drag), Math.max(...drag)];
			app.range.set({ from: Math.max(0, timeOf(a)), to: timeOf(b + 1) });
			app.view.set('timeline');
		}
		setDrag(null);
	};
	const n = hover ? heat.counts[hover.column]?.[hover.row] ?? 0 : 0;
	return (
		<figure class="plot heat"><figcaption>Scheduling latency over time <span class="muted">runnable until running: {exact(total)} waits in this time; a cell is {duration(heat.width_ns)} wide</span></figcaption>
			<div class="heat-box">
				<canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} role="img" aria-label={`Waits for a CPU by length over time: ${exact(total)}`}
					onPointerDown={(e) => { e.currentTarget.setPointerCapture(e.pointerId); const h = local(e); setDrag([h.column, h.column]); }}
					onPointerMove={(e) => { const h = local(e); setHover(h.x >= LEFT && h.row >= low && h.row <= high ? h : null); if (drag) setDrag([drag[0], h.column]); }}
					onPointerUp={up} onPointerLeave={() => setHover(null)} onPointerCancel={() => setDrag(null)} />
				{hover ? <div class="tooltip" style={{ left: `${Math.max(0, Math.min(hover.x + 12, width - 190))}px`, top: `${hover.y + 14}px` }}>
					<b>{exact(n)}</b> waited {label(heat, hover.row)}<div class="muted">at {duration(timeOf(hover.column))}</div></div> : null}
			</div>
			<div class="heat-key muted">{total ? <>1 <i style={{ '--runnable': app.config.get().state_colors[1] }} /> {exact(most)} waits a cell</> : 'No wait for a CPU in this time.'}</div>
		</figure>
	);
}

interface Shape { width: number; height: number; low: number; high: number; most: number; cell: number; drag: [number, number] | null }

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
	ctx.fillStyle = app.config.get().state_colors[1];
	heat.counts.forEach((column, c) => column.forEach((n, i) => {
		if (!n) return;
		// By the logarithm: one long wait must show beside thousands of short ones.
		ctx.globalAlpha = 0.18 + 0.82 * Math.log2(n + 1) / Math.log2(s.most + 1);
		ctx.fillRect(LEFT + c * s.cell, (s.high - i) * ROW, Math.max(1, s.cell - (s.cell > 4 ? 1 : 0)), ROW - 1);
	}));
	ctx.globalAlpha = 1;
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
		if ((row - s.low) % 3 || row === 0) continue;
		const y = (s.high - row + 1) * ROW;
		if (y > s.height - BOTTOM) continue;
		ctx.fillText(duration(bound(heat, row)), LEFT - 6, Math.min(y - 0.5, s.height - BOTTOM - 2));
		ctx.fillStyle = grid;
		ctx.fillRect(LEFT - 4, y - 1, 4, 1);
		ctx.fillStyle = muted;
	}
	ctx.textBaseline = 'top';
	const marks = Math.max(2, Math.floor((s.width - LEFT) / 110));
	for (let i = 0; i < marks; i++) {
		const column = Math.round(i * heat.counts.length / marks), at = heat.start_ns + column * heat.width_ns - app.origin;
		ctx.textAlign = i ? 'center' : 'left';
		ctx.fillText(Math.abs(at) < heat.width_ns ? '0' : duration(at), LEFT + column * s.cell, s.height - BOTTOM + 6);
	}
}
