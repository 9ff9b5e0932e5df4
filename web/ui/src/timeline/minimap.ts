// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The whole time in one strip: events as an area, running and runnable goroutines above it, what is
// on screen as a window to drag.
import { LEVEL_MAX, RUNNABLE, RUNNING, SERIES_LEVEL_MIN } from 'contract';
import { app } from '../app';
import { getSeries } from '../api';
import { Latest } from '../latest';
import type { Series } from '../types';
import type { Timeline } from './engine';
import { Frames } from './frames';
import { heights } from './heights';

const REFRESH_MS = 1000;

export class Minimap {
	private ctx: CanvasRenderingContext2D;
	private all = new Latest<{ series: Series; span: number }>(() => {
		this.drawn = '';
		this.loop.soon();
	});
	private loop = new Frames(() => this.frame());
	private timer: number;
	private drag: { kind: 'move' | 'left' | 'right' | 'new'; offset: number; from: number } | null = null;
	private width = 0;
	private height = 0;
	private below = document.createElement('canvas'); // all but the window and what is selected
	private drawn = ''; // what `below` shows
	private painted = '';
	private unsubscribe: () => void;
	private observer: ResizeObserver;

	constructor(readonly canvas: HTMLCanvasElement, private timeline: Timeline) {
		this.ctx = canvas.getContext('2d')!;
		this.timer = setInterval(() => this.load(), REFRESH_MS) as unknown as number;
		canvas.addEventListener('pointerdown', this.down);
		canvas.addEventListener('pointermove', this.move);
		canvas.addEventListener('pointerup', this.up);
		timeline.onPaint = () => this.frame(); // in the same frame: one more costs the browser more than this does
		// The first picture as soon as there is something to ask about, not a second later.
		this.unsubscribe = app.status.subscribe(() => { if (!this.all.value) this.load(); });
		this.observer = new ResizeObserver(() => {
			this.width = canvas.clientWidth;
			this.height = canvas.clientHeight;
			this.loop.soon();
		});
		this.observer.observe(canvas);
		this.load();
	}

	destroy(): void {
		this.loop.stop();
		clearInterval(this.timer);
		this.observer.disconnect();
		this.unsubscribe();
	}

	private load(): void {
		const s = app.status.get();
		if (!s || !app.usable || document.hidden || (app.paused.get() && this.all.value)) return;
		const end = app.end();
		const level = Math.max(SERIES_LEVEL_MIN, Math.min(LEVEL_MAX, Math.ceil(Math.log2(Math.max(end, 1) / 500))));
		const from = Math.floor(app.origin / 2 ** level);
		const n = Math.min(2000, Math.floor((app.origin + end) / 2 ** level) - from + 1);
		if (n < 1) return;
		// Its last bucket goes on filling.
		this.all.want(`${s.id}/${app.proc.get()}/${s.first_ns}`, `${level}/${from}/${n}/${app.moves ? end : ''}`, async () =>
			({ series: await getSeries(s.id, level, from, n), span: Math.max(end, 1e6) }));
	}

	// ns from the left edge to the right one, as of the last answer.
	private get span(): number {
		return this.all.value?.span ?? 1e6;
	}

	private x(t: number): number {
		return t / this.span * this.width;
	}

	private frame(): void {
		const v = this.timeline.view, dpr = this.timeline.dpr, range = app.range.get(), head = app.playhead.get();
		const px = (t: number | undefined | null) => (typeof t === 'number' ? Math.round(this.x(t) * dpr) : '');
		const below = [this.width, this.height, dpr, app.theme.get()].join();
		const above = [v.t0, v.t1, head, range?.from, range?.to].map(px).join();
		if (this.drawn === below && this.painted === above) return;
		if (this.drawn !== below) this.paintBelow();
		this.drawn = below;
		this.painted = above;
		this.paint();
	}

	private paintBelow(): void {
		const { timeline: t, below, width: w, height: h } = this;
		const s = this.all.value?.series;
		const c = t.colors;
		below.width = Math.max(1, Math.round(w * t.dpr));
		below.height = Math.max(1, Math.round(h * t.dpr));
		const ctx = below.getContext('2d')!;
		ctx.scale(t.dpr, t.dpr);
		ctx.fillStyle = c.stripe;
		ctx.fillRect(0, 0, w, h);
		if (!s) return;
		const all = new Array<number>(s.lost.length).fill(0);
		for (const column of Object.values(s.events)) column.forEach((n, i) => { all[i] += n; });
		const mean = (state: string) => all.map((_, i) => (s.state_ns[state]?.[i] ?? 0) / s.width_ns);
		const running = mean('running'), runnable = mean('runnable');
		// One that is in a system call may be there for ever: it is none of those that want a CPU.
		const both = running.map((v, i) => v + runnable[i]), of = heights(both);
		const high = (values: number[]) => values.map(of);
		this.area(ctx, s, all.map(heights(all)), c.muted, 0.45, h);
		this.area(ctx, s, high(both), c.state[RUNNABLE], 0.7, h * 0.5);
		this.area(ctx, s, high(running), c.state[RUNNING], 0.9, h * 0.5);
		ctx.fillStyle = c.danger;
		s.lost.forEach((n, i) => {
			if (n) ctx.fillRect(this.x(s.start_ns + i * s.width_ns - app.origin), 0, 2, h);
		});
	}

	private paint(): void {
		const { ctx, timeline: t, width: w, height: h } = this;
		const dpr = t.dpr, c = t.colors;
		if (this.canvas.width !== this.below.width) this.canvas.width = this.below.width;
		if (this.canvas.height !== this.below.height) this.canvas.height = this.below.height;
		ctx.setTransform(1, 0, 0, 1, 0, 0);
		ctx.drawImage(this.below, 0, 0);
		ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
		const range = app.range.get();
		if (range) {
			ctx.fillStyle = c.accent;
			ctx.globalAlpha = 0.25;
			ctx.fillRect(this.x(range.from), 0, Math.max(1, this.x(range.to) - this.x(range.from)), h);
			ctx.globalAlpha = 1;
		}
		const x0 = Math.min(w - 3, Math.max(0, this.x(t.view.t0))), x1 = Math.min(w, Math.max(x0 + 3, this.x(t.view.t1)));
		ctx.fillStyle = c.background;
		ctx.globalAlpha = 0.65;
		ctx.fillRect(0, 0, x0, h);
		ctx.fillRect(x1, 0, w - x1, h);
		ctx.globalAlpha = 1;
		ctx.strokeStyle = c.text;
		ctx.strokeRect(x0 + 0.5, 0.5, Math.max(2, x1 - x0 - 1), h - 1);
		if (app.playhead.get() !== null) {
			ctx.fillStyle = c.accent;
			ctx.fillRect(this.x(app.playhead.get()!), 0, 2, h);
		}
	}

	private area(ctx: CanvasRenderingContext2D, s: Series, values: number[], color: string, alpha: number, high: number): void {
		const { width: w, height: full } = this;
		const first = s.start_ns - app.origin;
		ctx.fillStyle = color;
		ctx.globalAlpha = alpha;
		ctx.beginPath();
		ctx.moveTo(0, full);
		values.forEach((v, i) => {
			const y = full - v * (high - 3);
			ctx.lineTo(Math.max(0, this.x(first + i * s.width_ns)), y);
			ctx.lineTo(Math.min(w, this.x(first + (i + 1) * s.width_ns)), y);
		});
		ctx.lineTo(Math.min(w, this.x(first + values.length * s.width_ns)), full);
		ctx.fill();
		ctx.globalAlpha = 1;
	}

	// --- the window ------------------------------------------------------------------------------

	private time(e: PointerEvent): number {
		const r = this.canvas.getBoundingClientRect();
		return (e.clientX - r.left) / Math.max(1, r.width) * this.span;
	}

	private down = (e: PointerEvent): void => {
		const t = this.time(e), v = this.timeline.view;
		const near = 6 / Math.max(1, this.width) * this.span;
		this.canvas.setPointerCapture(e.pointerId);
		app.follow.set(false);
		const wide = v.t1 - v.t0 > near * 4;
		if (wide && Math.abs(t - v.t0) < near) this.drag = { kind: 'left', offset: 0, from: t };
		else if (wide && Math.abs(t - v.t1) < near) this.drag = { kind: 'right', offset: 0, from: t };
		else if (t > v.t0 - near && t < v.t1 + near) this.drag = { kind: 'move', offset: t - v.t0, from: t };
		else this.drag = { kind: 'new', offset: 0, from: t };
	};

	private move = (e: PointerEvent): void => {
		const d = this.drag;
		if (!d) return;
		const t = this.time(e), v = this.timeline.view;
		if (d.kind === 'move') {
			v.pan((t - d.offset - v.t0) / v.scale, 0);
		} else {
			const other = d.kind === 'left' ? v.t1 : d.kind === 'right' ? v.t0 : d.from;
			const from = Math.min(t, other), to = Math.max(t, other);
			if (to - from > 1000) v.show(from, to);
		}
		this.timeline.redraw();
	};

	private up = (e: PointerEvent): void => {
		const d = this.drag, v = this.timeline.view;
		this.drag = null;
		if (d?.kind === 'new' && Math.abs(this.time(e) - d.from) < this.span / 200) {
			const half = (v.t1 - v.t0) / 2;
			v.goTo(d.from - half, d.from + half);
			this.timeline.redraw();
		}
	};
}
