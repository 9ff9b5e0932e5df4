// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Lanes above the rows: a CPU each, who ran there and where that is not known; and all who waited for
// one thing as one row. On a canvas of its own, by the rows' time.
import { useEffect, useRef, useState } from 'preact/hooks';
import { LANE, MARK, RUNNING, WAIT_KINDS, type LaneMark, type LaneSpan } from 'contract';
import { app, type Crowd } from '../app';
import { at as url, getJson, int } from '../api';
import { textOn } from '../colors';
import { count, duration, exact, goidText, shortFunc } from '../format';
import { Latest } from '../latest';
import { goTo } from '../goto';
import { useValue } from '../store';
import type { Timeline } from './engine';
import { hatching } from './paint';

const LANE_H = 18, CROWD_H = 34;
const GO = 1, GC = 2, STOPS = 4, UNKNOWN = 8; // bits of a span's kinds (docs/api.md)
const MOVED = 1, DISPLACED = 2;
const TEXT_PX = 20, PARTS_MOST = 2000;
const EVERY_NS = 1e9, REST = 20; // what moves is asked for once a second, or as seldom as it takes time

interface Cpu { cpu: number; busy_ns: number; runs: number; spans: LaneSpan[] }
interface Answer {
	from: number;
	to: number;
	why: string;
	cpus: Cpu[];
	marks: LaneMark[];
	last_gc?: { ended: number; pauses_ns: number };
}

interface Pointed { x: number; y: number; time: number; cpu: Cpu | null; span: LaneSpan | null; waiting: number | null }

// How many wait at each time: [time, how many from there on].
function steps(waiters: Crowd['waiters'], now: number): [number, number][] {
	const changes = waiters.flatMap(({ begin, end }): [number, number][] => [[begin, 1], [end || now, -1]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
	let n = 0;
	return changes.map(([time, by]) => [time, n += by]);
}

class Drawer {
	private ctx: CanvasRenderingContext2D;
	private got = new Latest<Answer>(() => { this.arrived(); this.draw(); }, 100);
	private asked = { at: 0, ms: 0 };
	private before: () => void;
	private unsubscribe: (() => void)[];

	constructor(readonly canvas: HTMLCanvasElement, readonly t: Timeline, private arrived: () => void) {
		this.ctx = canvas.getContext('2d', { alpha: false })!;
		this.before = t.onPaint;
		t.onPaint = () => {
			this.before();
			this.draw();
		};
		this.unsubscribe = [app.selected, app.crowd, app.theme].map((v) => (v as { subscribe(fn: () => void): () => void }).subscribe(() => this.draw()));
		this.draw();
	}

	destroy(): void {
		this.t.onPaint = this.before;
		for (const fn of this.unsubscribe) fn();
	}

	get answer(): Answer | null {
		return this.got.value;
	}

	private get lanes(): Cpu[] {
		return app.settings.get().cpus ? this.answer?.cpus ?? [] : [];
	}

	// Those who waited come first: of many lanes the last are to be scrolled to.
	private get top(): number {
		return app.crowd.get() ? CROWD_H : 0;
	}

	private need(): void {
		if (!app.settings.get().cpus || !app.usable || !app.status.get()) return this.got.forget();
		const { t0, t1, width } = this.t.view, part = (t1 - t0) / 8, { origin } = app, source = app.source.get();
		const from = Math.max(0, Math.floor(t0 / part) * part), to = Math.ceil(t1 / part) * part;
		const moves = app.moves && t1 > app.now();
		if (to <= from || performance.now() < this.asked.at + this.asked.ms * (moves ? REST : 1)) return;
		const n = Math.min(PARTS_MOST, Math.max(1, Math.round(width * (to - from) / (t1 - t0))));
		this.got.want(`${source}/${app.proc.get()}/${origin}`, `${from}/${to}/${n}/${moves ? Math.floor(app.now() / EVERY_NS) : ''}`, async () => {
			const begun = performance.now();
			const answer = await getJson<Answer>(url(source, `sched/cpus?from=${int(from + origin)}&to=${int(to + origin)}&n=${n}`));
			this.asked = { at: performance.now(), ms: performance.now() - begun };
			return answer;
		});
	}

	private x(time: number): number {
		return this.t.labels + this.t.view.x(time - app.origin);
	}

	draw(): void {
		this.need();
		const { ctx, canvas, t } = this, { dpr, colors } = t;
		const width = canvas.clientWidth, height = canvas.clientHeight;
		const w = Math.max(1, Math.round(width * dpr)), h = Math.max(1, Math.round(height * dpr));
		if (canvas.width !== w) canvas.width = w;
		if (canvas.height !== h) canvas.height = h;
		ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
		ctx.fillStyle = colors.background;
		ctx.fillRect(0, 0, width, height);
		ctx.textBaseline = 'middle';
		ctx.save();
		ctx.beginPath();
		ctx.rect(t.labels, 0, width, height);
		ctx.clip();
		this.lanes.forEach((cpu, i) => cpu.spans.forEach((s) => this.drawSpan(s, this.top + i * LANE_H, width)));
		this.drawMarks(width);
		this.drawCrowd(width);
		ctx.restore();
		this.drawLabels(width);
	}

	private drawSpan(s: LaneSpan, y: number, width: number): void {
		const { ctx, t } = this, begin = this.x(s[LANE.begin]), end = this.x(s[LANE.end]);
		if (end < t.labels || begin > width) return;
		// A px at least, also at the edges.
		const x0 = Math.min(Math.max(begin, t.labels - 2), width - 1), x1 = Math.min(Math.max(end, x0 + 1, t.labels + 1), width + 2);
		const kinds = s[LANE.kinds], goid = s[LANE.goid], many = s[LANE.runs] > 1, { colors } = t;
		if (kinds === UNKNOWN) {
			ctx.globalAlpha = 0.6;
			ctx.fillStyle = hatching(ctx, colors.muted);
			ctx.fillRect(x0, y + 3, x1 - x0, LANE_H - 6);
			ctx.globalAlpha = 1;
			return;
		}
		const color = goid === app.selected.get() ? colors.accent : kinds & STOPS ? colors.danger : kinds & GO ? colors.cell[RUNNING] : colors.wait[WAIT_KINDS.indexOf('gc')];
		const gap = x1 - x0 >= 3 ? 1 : 0;
		ctx.fillStyle = color;
		// Of several in one, as much as somebody ran.
		const busy = many ? s[LANE.busy] / Math.max(1, s[LANE.end] - s[LANE.begin]) : 1;
		const tall = Math.max(2, Math.round((LANE_H - 4) * Math.min(1, busy)));
		ctx.fillRect(x0, y + LANE_H - 2 - tall, x1 - x0 - gap, tall);
		if (kinds & UNKNOWN) {
			ctx.fillStyle = hatching(ctx, colors.background);
			ctx.fillRect(x0, y + 2, x1 - x0 - gap, LANE_H - 4);
		}
		// From when it was last seen there, until it was seen elsewhere.
		const sure = Math.max(x0, this.x(s[LANE.sure]));
		if (!many && s[LANE.ended] === MOVED && x1 - sure >= 1) {
			ctx.fillStyle = hatching(ctx, colors.background);
			ctx.fillRect(sure, y + 2, x1 - sure - gap, LANE_H - 4);
		}
		if (x1 - x0 < TEXT_PX) return;
		ctx.font = '10.5px system-ui, sans-serif';
		ctx.textAlign = 'left';
		const func = app.table?.rows.get(goid)?.func ?? '';
		const said = many ? [`${count(s[LANE.runs])} runs`] : [...(func ? [`${goidText(goid)} ${shortFunc(func)}`] : []), goidText(goid)];
		const text = said.find((words) => ctx.measureText(words).width <= x1 - x0 - 6);
		if (!text) return;
		if (many && tall < LANE_H - 6) {
			ctx.strokeStyle = colors.background;
			ctx.lineWidth = 3;
			ctx.strokeText(text, x0 + 4, y + LANE_H / 2);
			ctx.fillStyle = colors.text;
		} else ctx.fillStyle = textOn(color);
		ctx.fillText(text, x0 + 4, y + LANE_H / 2);
	}

	// The world is being stopped or stands still, as events tell; the end of the last cycle, as memory does.
	private drawMarks(width: number): void {
		const { ctx, t, answer } = this, height = this.lanes.length * LANE_H;
		if (!answer || !height) return;
		ctx.fillStyle = t.colors.danger;
		for (const m of answer.marks) {
			const x0 = this.x(m[MARK.begin]), x1 = this.x(m[MARK.end]);
			if (x1 < t.labels || x0 > width) continue;
			ctx.globalAlpha = 0.35;
			ctx.fillRect(x0, this.top, Math.max(1, x1 - x0), height);
			ctx.globalAlpha = 1;
			ctx.fillRect(x0, this.top, Math.max(1, x1 - x0), 2);
		}
		if (!answer.last_gc) return;
		ctx.fillStyle = t.colors.wait[WAIT_KINDS.indexOf('gc')];
		const x = Math.round(this.x(answer.last_gc.ended));
		for (let y = 0; y < height; y += 5) ctx.fillRect(x, this.top + y, 1, 3);
	}

	private counted: { of: Crowd; list: [number, number][]; most: number } | null = null;

	// Counted once, not for each picture and each move of the pointer.
	private countsOf(crowd: Crowd): { list: [number, number][]; most: number } {
		if (this.counted?.of === crowd) return this.counted;
		const list = steps(crowd.waiters, crowd.now), counted = { of: crowd, list, most: list.reduce((most, [, n]) => Math.max(most, n), 1) };
		this.counted = counted;
		return counted;
	}

	private drawCrowd(width: number): void {
		const crowd = app.crowd.get(), { ctx, t } = this;
		if (!crowd) return;
		const { list, most } = this.countsOf(crowd);
		ctx.fillStyle = t.colors.wait[crowd.kind] ?? t.colors.muted;
		list.forEach(([time, n], i) => {
			const x0 = this.x(time), x1 = i + 1 < list.length ? this.x(list[i + 1][0]) : x0;
			const tall = Math.round((CROWD_H - 8) * n / most);
			if (n && x1 >= t.labels && x0 <= width) ctx.fillRect(x0, CROWD_H - 3 - tall, Math.max(1, x1 - x0), tall);
		});
		const x0 = this.x(crowd.begin), x1 = Math.max(x0 + 2, this.x(crowd.end));
		ctx.fillStyle = t.colors.accent;
		ctx.fillRect(x0, CROWD_H - 3, x1 - x0, 2);
	}

	private drawLabels(width: number): void {
		const { ctx, t, answer } = this, { colors } = t;
		ctx.fillStyle = colors.background;
		ctx.fillRect(0, 0, t.labels - 1, this.canvas.clientHeight);
		ctx.fillStyle = colors.line;
		ctx.fillRect(t.labels - 1, 0, 1, this.canvas.clientHeight);
		ctx.font = '11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';
		this.lanes.forEach((cpu, i) => {
			const y = this.top + i * LANE_H + LANE_H / 2 + 0.5, share = 100 * cpu.busy_ns / Math.max(1, answer!.to - answer!.from);
			ctx.textAlign = 'left';
			ctx.fillStyle = colors.text;
			ctx.fillText(`CPU ${cpu.cpu}`, 8, y);
			ctx.textAlign = 'right';
			ctx.fillStyle = colors.muted;
			if (t.labels > 100) ctx.fillText(`${share < 10 ? share.toFixed(1) : share.toFixed(0)} %`, t.labels - 6, y);
			ctx.fillStyle = colors.line;
			ctx.fillRect(0, this.top + (i + 1) * LANE_H - 1, width, 1);
		});
		const crowd = app.crowd.get();
		if (!crowd) return;
		ctx.textAlign = 'left';
		ctx.fillStyle = colors.text;
		ctx.font = '12px system-ui, sans-serif';
		const text = [`${count(crowd.waiters.length)} waited for this`, `×${count(crowd.waiters.length)}`].find((s) => ctx.measureText(s).width < t.labels - 40) ?? '';
		ctx.fillText(text, 8, CROWD_H / 2);
		ctx.fillStyle = colors.line;
		ctx.fillRect(0, CROWD_H - 1, width, 1);
	}

	hit(x: number, y: number): Pointed | null {
		const { t } = this, time = t.view.time(x - t.labels) + app.origin, i = Math.floor((y - this.top) / LANE_H);
		if (x < t.labels) return null;
		const cpu = this.lanes[i] ?? null, near = t.view.scale;
		const span = cpu?.spans.find((s) => s[LANE.begin] - near <= time && Math.max(s[LANE.end], s[LANE.begin] + near) >= time) ?? null;
		const crowd = app.crowd.get();
		let waiting: number | null = null;
		if (!cpu && crowd) {
			waiting = 0;
			for (const [when, n] of this.countsOf(crowd).list) if (when <= time) waiting = n;
		}
		return { x, y, time, cpu, span, waiting };
	}
}

function saySpan(s: LaneSpan): string {
	const k = s[LANE.kinds], length = duration(s[LANE.end] - s[LANE.begin]);
	if (k === UNKNOWN) return `Not known who ran, for ${length}: events were lost, are not kept, or there were none here yet`;
	const also = `${k & STOPS ? ', stopping the world' : ''}${k & GC ? ', the collector’s work' : ''}`;
	if (s[LANE.runs] > 1) return `${exact(s[LANE.runs])} runs in ${length}, ${duration(s[LANE.busy])} of it${also}; the longest is of goroutine ${s[LANE.goid]}`;
	return `ran ${length}${also}`;
}

function sayEnd(s: LaneSpan): string {
	if (s[LANE.runs] !== 1) return '';
	if (s[LANE.ended] === MOVED) return `It began here; the kernel moved it after ${duration(s[LANE.sure] - s[LANE.begin])} or later: next seen on CPU ${s[LANE.cpu_end] - 1}`;
	return s[LANE.ended] === DISPLACED ? 'Then another thread had this CPU; where it ran on is not known' : '';
}

export function CpuLanes({ timeline }: { timeline: Timeline }) {
	const { cpus } = useValue(app.settings);
	const crowd = useValue(app.crowd);
	return cpus || crowd ? <Strip t={timeline} /> : null;
}

function Strip({ t }: { t: Timeline }) {
	const canvas = useRef<HTMLCanvasElement>(null), drawer = useRef<Drawer | null>(null);
	const [, arrived] = useState(0), [over, setOver] = useState<Pointed | null>(null);
	const { cpus } = useValue(app.settings), crowd = useValue(app.crowd);
	useEffect(() => {
		const el = canvas.current!, d = drawer.current = new Drawer(el, t, () => arrived((n) => n + 1));
		// Zooming is the rows' matter.
		const wheel = (e: WheelEvent) => {
			if (!e.ctrlKey && !e.shiftKey && Math.abs(e.deltaY) > Math.abs(e.deltaX)) return;
			e.preventDefault();
			t.canvas.dispatchEvent(new WheelEvent('wheel', e));
		};
		el.addEventListener('wheel', wheel, { passive: false });
		return () => {
			el.removeEventListener('wheel', wheel);
			d.destroy();
		};
	}, []);
	const answer = cpus ? drawer.current?.answer ?? null : null, n = answer?.cpus.length ?? 0;
	const height = n * LANE_H + (crowd ? CROWD_H : 0);
	useEffect(() => drawer.current?.draw(), [height]);
	const local = (e: PointerEvent | MouseEvent) => {
		const r = canvas.current!.getBoundingClientRect();
		return drawer.current!.hit(e.clientX - r.left, e.clientY - r.top);
	};
	const func = over?.span?.[LANE.goid] ? app.table?.rows.get(over.span[LANE.goid])?.func : '';
	return <div class="cpus" role="region" aria-label="CPUs">
		<div class="cpus-scroll" tabIndex={height > 190 ? 0 : undefined}>
			<canvas ref={canvas} style={{ height: `${height}px` }} role="img" aria-label={`Who ran on which CPU: ${n} lanes${crowd ? `, and ${crowd.waiters.length} goroutines that waited for the same` : ''}`}
				onPointerMove={(e) => setOver(local(e))} onPointerLeave={() => setOver(null)} onClick={(e) => {
					const goid = local(e)?.span?.[LANE.goid];
					if (goid) goTo(goid);
				}} />
		</div>
		{answer?.why ? <p class="cpus-why muted">{`CPUs: ${answer.why}`}</p> : cpus && !n ? <p class="cpus-why muted">{answer ? 'CPUs: no event was made in this time' : 'CPUs: …'}</p> : null}
		{crowd ? <button class="icon crowd-close" aria-label="Remove this row" title="Remove this row" style={{ left: `${t.labels - 30}px` }} onClick={() => app.crowd.set(null)}>✕</button> : null}
		{over && (over.span || over.waiting !== null) ? <div class="tooltip" style={{ left: `${Math.max(4, Math.min(over.x + 14, t.canvas.clientWidth - 300))}px`, top: `${Math.min(over.y, 190) + 18}px` }}>
			{over.span && over.cpu ? <>
				<div><b>CPU {over.cpu.cpu}</b>{over.span[LANE.goid] && over.span[LANE.runs] === 1 ? `, goroutine ${over.span[LANE.goid]}` : ''}</div>
				{func ? <div class="mono">{func}</div> : null}
				<div>{saySpan(over.span)}</div>
				<div class="muted">from {app.timeText(over.span[LANE.begin] - app.origin)}. {sayEnd(over.span)}</div></> :
				<div><b>{exact(over.waiting!)}</b> waited at {app.timeText(over.time - app.origin)}</div>}
		</div> : null}
	</div>;
}
