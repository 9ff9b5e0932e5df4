// The whole time in one strip: events as an area, running and runnable goroutines above it, what is
// on screen as a window to drag.
import { app } from '../app';
import { getSeries } from '../api';
import type { Series } from '../types';
import type { Timeline } from './engine';

const REFRESH_MS = 1000;

export class Minimap {
	private ctx: CanvasRenderingContext2D;
	private series: Series | null = null;
	private raf = 0;
	private timer: number;
	private key = '';
	private drag: { kind: 'move' | 'left' | 'right' | 'new'; offset: number; from: number } | null = null;
	private painted = '';
	private tried = false;

	constructor(readonly canvas: HTMLCanvasElement, private timeline: Timeline) {
		this.ctx = canvas.getContext('2d')!;
		this.timer = setInterval(() => this.load(), REFRESH_MS) as unknown as number;
		canvas.addEventListener('pointerdown', this.down);
		canvas.addEventListener('pointermove', this.move);
		canvas.addEventListener('pointerup', this.up);
		this.load();
		this.raf = requestAnimationFrame(this.frame);
	}

	destroy(): void {
		cancelAnimationFrame(this.raf);
		clearInterval(this.timer);
	}

	private load(): void {
		const s = app.status.get();
		if (!s || !app.usable || document.hidden || (app.paused.get() && this.series)) return;
		const end = app.end();
		const level = Math.max(20, Math.min(44, Math.ceil(Math.log2(Math.max(end, 1) / 500))));
		const from = Math.floor(app.origin / 2 ** level);
		const n = Math.min(2000, Math.floor((app.origin + end) / 2 ** level) - from + 1);
		const key = `${s.id}/${level}/${from}/${n}`;
		if (n < 1 || (key === this.key && !app.moves)) return;
		this.key = key;
		getSeries(s.id, level, from, n).then((series) => {
			this.series = series;
			this.painted = '';
		}).catch(() => { this.key = ''; });
	}

	private get span(): number {
		return Math.max(app.end(), 1e6);
	}

	private x(t: number): number {
		return t / this.span * this.canvas.clientWidth;
	}

	private frame = (): void => {
		this.raf = requestAnimationFrame(this.frame);
		// The first picture as soon as there is something to ask about, not a second later.
		if (!this.tried && app.status.get()?.state === 'ready') {
			this.tried = true;
			this.load();
		}
		const { clientWidth: w, clientHeight: h } = this.canvas;
		const v = this.timeline.view;
		const state = [w, h, v.t0, v.scale, v.width, this.span, app.theme.get(), app.playhead.get(),
			app.range.get()?.from].join();
		if (state === this.painted) return;
		this.painted = state;
		this.paint(w, h);
	};

	private paint(w: number, h: number): void {
		const { ctx, timeline: t } = this;
		const dpr = t.dpr, c = t.colors;
		if (this.canvas.width !== Math.round(w * dpr)) this.canvas.width = Math.round(w * dpr);
		if (this.canvas.height !== Math.round(h * dpr)) this.canvas.height = Math.round(h * dpr);
		ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
		ctx.fillStyle = c.stripe;
		ctx.fillRect(0, 0, w, h);
		const s = this.series;
		if (s) {
			this.area(s, (i) => Object.values(s.events).reduce((sum, col) => sum + col[i], 0), c.muted, 0.45, w, h);
			this.area(s, (i) => ((s.state_ns.running?.[i] ?? 0) + (s.state_ns.syscall?.[i] ?? 0) +
				(s.state_ns.runnable?.[i] ?? 0)) / s.width_ns, c.state[1], 0.7, w, h * 0.5);
			this.area(s, (i) => ((s.state_ns.running?.[i] ?? 0)) / s.width_ns, c.state[2], 0.9, w, h * 0.5);
			ctx.fillStyle = c.danger;
			s.lost.forEach((n, i) => {
				if (n) ctx.fillRect(this.x(s.start_ns + i * s.width_ns - app.origin), 0, 2, h);
			});
		}
		const range = app.range.get();
		if (range) {
			ctx.fillStyle = c.accent;
			ctx.globalAlpha = 0.25;
			ctx.fillRect(this.x(range.from), 0, Math.max(1, this.x(range.to) - this.x(range.from)), h);
			ctx.globalAlpha = 1;
		}
		const x0 = Math.max(0, this.x(t.view.t0)), x1 = Math.min(w, Math.max(x0 + 3, this.x(t.view.t1)));
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

	private area(s: Series, value: (i: number) => number, color: string, alpha: number, w: number,
		h: number): void {
		const { ctx } = this;
		const full = this.canvas.clientHeight;
		const values = s.lost.map((_, i) => value(i));
		const max = Math.max(...values, 1e-9);
		ctx.fillStyle = color;
		ctx.globalAlpha = alpha;
		ctx.beginPath();
		ctx.moveTo(0, full);
		values.forEach((v, i) => {
			const a = this.x(s.start_ns + i * s.width_ns - app.origin);
			const b = this.x(s.start_ns + (i + 1) * s.width_ns - app.origin);
			const y = full - v / max * (h - 3);
			ctx.lineTo(Math.max(0, a), y);
			ctx.lineTo(Math.min(w, b), y);
		});
		ctx.lineTo(Math.min(w, this.x(s.start_ns + values.length * s.width_ns - app.origin)), full);
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
		const near = 6 / Math.max(1, this.canvas.clientWidth) * this.span;
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
			if (to - from > 1000) {
				v.t0 = from;
				v.scale = (to - from) / v.width;
			}
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
