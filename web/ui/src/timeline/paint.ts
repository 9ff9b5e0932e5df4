// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Single things on the timeline's canvas. Coordinates are CSS px; the context is scaled here.
import { app } from '../app';
import { tellable, TOO_LARGE } from '../api';
import { textOn } from '../colors';
import { count, duration, goidText, rulerStep, shortFunc } from '../format';
import { waits } from '../filter';
import { dayWidth, roundMark } from '../walltime';
import type { Lane } from '../lanes';
import type { Group } from '../rows';
import { EXITED, NONE, STATES, STAY, SYSTEM, WAITING, type Stay } from 'contract';
import type { Row } from '../types';
import { clockLeft, RULER, type Box, type Scene } from './scene';
import { endOf } from './stays';
import { stateHeight } from './strip';
import { badgeMiddle } from './viewport';

type Ctx = CanvasRenderingContext2D;

const SANS = '12px system-ui, sans-serif';
const SMALL = '11px system-ui, sans-serif';
const MONO = '11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

function scaled(ctx: Ctx, t: Scene, draw: () => void): void {
	ctx.save();
	ctx.scale(t.dpr, t.dpr);
	draw();
	ctx.restore();
}

// Cuts text to a width, keeping its end: the end of a Go name tells more than its beginning.
const widths = new Map<string, number>();

function measure(ctx: Ctx, text: string): number {
	const key = ctx.font + text;
	let w = widths.get(key);
	if (w === undefined) {
		if (widths.size > 5000) widths.clear();
		w = ctx.measureText(text).width;
		widths.set(key, w);
	}
	return w;
}

function fit(ctx: Ctx, text: string, width: number): string {
	if (measure(ctx, text) <= width) return text;
	const per = measure(ctx, text) / text.length;
	let keep = Math.max(0, Math.floor(width / per));
	while (keep > 2 && measure(ctx, '…' + text.slice(text.length - keep)) > width) keep--;
	return keep < 2 ? '' : '…' + text.slice(text.length - keep);
}

function labelBackground(ctx: Ctx, t: Scene, top: number, color: string): void {
	ctx.fillStyle = color;
	ctx.fillRect(0, top, t.labels - 1, t.rowHeight);
	ctx.fillStyle = t.colors.line;
	ctx.fillRect(t.labels - 1, top, 1, t.rowHeight);
}

// `value`: what it is sorted by, '' when it says that anyway.
// `state`: how the one it is in now, or at a replay's position, is shown; NONE when that is not known.
export function drawLabel(ctx: Ctx, t: Scene, row: Row, state: number, pinned: boolean, value: string, top: number): void {
	scaled(ctx, t, () => {
		const selected = row.goid === app.selected.get();
		const exited = !!(row.flags & EXITED) && row.exited <= app.now();
		const h = t.rowHeight;
		labelBackground(ctx, t, top, selected ? t.colors.selection : t.colors.background);
		if (h < 10) return;
		ctx.textBaseline = 'middle';
		const y = top + h / 2 + 0.5;
		ctx.fillStyle = exited || state === NONE ? t.colors.line : t.colors.cell[state];
		ctx.fillRect(0, top + 1, 3, h - 2);
		ctx.font = MONO;
		ctx.fillStyle = exited ? t.colors.muted : t.colors.text;
		ctx.textAlign = 'right';
		// A number that is longer than usual takes of the name's room; half a number would be another one.
		const goidWidth = Math.round(Math.min(Math.max(t.labels < 120 ? 38 : 56, measure(ctx, goidText(row.goid)) + 5), t.labels * 0.55));
		ctx.fillText(fit(ctx, goidText(row.goid), goidWidth - 4), goidWidth, y);
		let left = goidWidth + (t.labels < 120 ? 5 : 8), right = t.labels - (t.labels < 120 ? 2 : 6);
		ctx.textAlign = 'left';
		if (pinned) {
			ctx.fillStyle = t.colors.accent;
			ctx.fillRect(right - 5, y - 3, 5, 5);
			right -= 10;
		}
		ctx.font = h >= 16 ? SANS : SMALL;
		const beside = t.labels > 120 ? value || (exited ? 'exited' : '') : '';
		if (beside) {
			ctx.font = SMALL;
			ctx.fillStyle = value ? t.colors.text : t.colors.muted;
			ctx.textAlign = 'right';
			ctx.fillText(beside, right, y);
			right -= measure(ctx, beside) + 6;
			ctx.textAlign = 'left';
			ctx.font = h >= 16 ? SANS : SMALL;
		}
		ctx.fillStyle = exited || row.flags & SYSTEM ? t.colors.muted : t.colors.text;
		let name = row.func ? shortFunc(row.func) : '(unknown)';
		if (t.labels < 120) name = name.replace(/^.*\.(?=[^.]*[^.\d)])/, '');
		ctx.fillText(fit(ctx, name, right - left), left, y);
	});
}

// Several lives: how many, and of which function.
export function drawLaneLabel(ctx: Ctx, t: Scene, lane: Lane, top: number): void {
	scaled(ctx, t, () => {
		labelBackground(ctx, t, top, t.colors.background);
		if (t.rowHeight < 10) return;
		const y = top + t.rowHeight / 2 + 0.5, narrow = t.labels < 120, goidWidth = narrow ? 38 : 56;
		ctx.textBaseline = 'middle';
		ctx.fillStyle = t.colors.muted;
		ctx.font = MONO;
		ctx.textAlign = 'right';
		ctx.fillText(`×${count(lane.rows.length)}`, goidWidth, y);
		ctx.textAlign = 'left';
		ctx.font = t.rowHeight >= 16 ? SANS : SMALL;
		let name = lane.func ? shortFunc(lane.func) : '(unknown)';
		if (narrow) name = name.replace(/^.*\.(?=[^.]*[^.\d)])/, '');
		ctx.fillText(fit(ctx, name, t.labels - goidWidth - (narrow ? 7 : 14)), goidWidth + (narrow ? 5 : 8), y);
	});
}

// The chosen goroutine where it shares its row with others.
export function drawChosen(ctx: Ctx, t: Scene): void {
	const goid = app.selected.get(), i = goid === null ? -1 : t.indexOf(goid);
	if (i < 0 || !t.entries[i].lane) return;
	const row = app.table!.rows.get(goid!)!;
	scaled(ctx, t, () => {
		ctx.beginPath();
		ctx.rect(t.labels, RULER, t.view.width, t.view.height);
		ctx.clip();
		const x0 = t.labels + t.view.x(row.created), x1 = t.labels + t.view.x(row.exited);
		ctx.strokeStyle = t.colors.accent;
		ctx.lineWidth = 2;
		ctx.strokeRect(x0 - 2, t.rowTop(i) + 1, Math.max(4, x1 - x0 + 4), t.rowHeight - 2);
	});
}

export function drawGroupHead(ctx: Ctx, t: Scene, group: Group, top: number): void {
	scaled(ctx, t, () => {
		const h = t.rowHeight, y = top + h / 2 + 0.5;
		labelBackground(ctx, t, top, t.colors.stripe);
		ctx.textBaseline = 'middle';
		ctx.textAlign = 'left';
		ctx.fillStyle = t.colors.muted;
		ctx.beginPath();
		if (group.collapsed) {
			ctx.moveTo(7, y - 4); ctx.lineTo(13, y); ctx.lineTo(7, y + 4);
		} else {
			ctx.moveTo(6, y - 3); ctx.lineTo(14, y - 3); ctx.lineTo(10, y + 3);
		}
		ctx.fill();
		ctx.font = MONO;
		const n = String(group.rows.length);
		ctx.textAlign = 'right';
		ctx.fillText(n, t.labels - 6, y);
		ctx.textAlign = 'left';
		ctx.font = `600 ${SANS}`;
		ctx.fillStyle = t.colors.text;
		ctx.fillText(fit(ctx, group.label, t.labels - 30 - measure(ctx, n)), 20, y);
	});
}

// --- time -----------------------------------------------------------------------------------------

const ofDay = () => app.settings.get().clock !== 'since';
const stepOf = (t: Scene) => rulerStep(t.view.scale, Math.max(Math.abs(t.view.t0), Math.abs(t.view.t1)), ofDay() ? dayWidth : undefined);

function eachMark(t: Scene, draw: (at: number, x: number) => void): void {
	// At round times of the clock that they are labelled by.
	const v = t.view, step = stepOf(t), day = ofDay() ? app.day() : null, off = (day?.offset ?? 0) % step;
	for (let next = Math.floor((v.t0 + off) / step) * step - off - step; next < v.t1 + step; next += step) {
		const at = day ? roundMark(next, step, day) : next;
		if (at !== null) draw(at, Math.round(t.labels + v.x(at)) + 0.5);
	}
}

// All lines over the whole height: at the ruler's marks, somebody's own, the edges of what is selected, now, and where the pointer
// is. Behind the spans: one may be no wider than they.
export function drawGrid(ctx: Ctx, t: Scene): void {
	const line = (x: number) => { if (x >= t.labels) ctx.fillRect(x, RULER, 1, t.canvas.clientHeight); };
	const range = t.rangeDraft ?? app.range.get();
	scaled(ctx, t, () => {
		ctx.globalAlpha = 0.35;
		ctx.fillStyle = t.colors.line;
		eachMark(t, (_, x) => line(x));
		ctx.globalAlpha = 0.5;
		ctx.fillStyle = t.colors.muted;
		if (t.hover && t.hover.area !== 'label') line(Math.round(t.hover.x));
		ctx.globalAlpha = 1;
		ctx.fillStyle = t.colors.accent;
		for (const mark of app.marks.get()) line(Math.round(t.labels + t.view.x(mark.t)));
		if (range) line(t.labels + t.view.x(range.from));
		if (range) line(t.labels + t.view.x(range.to) - 1);
		line(Math.round(t.labels + t.view.x(app.now())));
	});
}

// `times`: there are any.
export function drawRuler(ctx: Ctx, t: Scene, times: boolean): void {
	const v = t.view;
	const height = t.canvas.clientHeight, width = t.canvas.clientWidth;
	scaled(ctx, t, () => {
		ctx.fillStyle = t.colors.background;
		ctx.fillRect(0, 0, width, RULER);
		const step = stepOf(t);
		ctx.font = MONO;
		ctx.textBaseline = 'middle';
		ctx.textAlign = 'left';
		ctx.save();
		ctx.beginPath();
		ctx.rect(t.labels, 0, width, height);
		ctx.clip();
		if (times) eachMark(t, (at, x) => {
			ctx.fillStyle = t.colors.line;
			ctx.fillRect(x, RULER - 6, 1, 6);
			ctx.fillStyle = t.colors.muted;
			ctx.fillText(app.timeText(Math.round(at), step), x + 4, RULER / 2);
		});
		const now = app.now(), x = t.labels + v.x(now);
		if (times && x > t.labels && x < width) {
			ctx.fillStyle = t.colors.accent;
			ctx.fillRect(Math.round(x), RULER - 8, 1, 8);
		}
		const hover = t.hover;
		if (hover && hover.area !== 'label') {
			const hx = Math.round(hover.x);
			const text = app.timeText(hover.time, step / 100);
			const w = ctx.measureText(text).width + 8;
			ctx.fillStyle = t.colors.text;
			ctx.fillRect(Math.min(hx, width - w), 3, w, RULER - 8);
			ctx.fillStyle = t.colors.background;
			ctx.fillText(text, Math.min(hx, width - w) + 4, RULER / 2 - 1);
		}
		ctx.restore();
		ctx.fillStyle = t.colors.muted;
		// As much as there is room for beside the choice of the clock.
		const { matched, total } = app.list.get(), room = clockLeft(t.labels) - 12;
		const text = [`${matched.length} of ${total} goroutines`, `${matched.length} of ${total}`, `${matched.length}/${total}`].find((s) => measure(ctx, s) <= room) ?? '';
		ctx.fillText(text, 8, RULER / 2);
		ctx.fillStyle = t.colors.line;
		ctx.fillRect(0, RULER - 1, width, 1);
		ctx.fillRect(t.labels - 1, 0, 1, height);
	});
}

// Where somebody has put a mark: a flag on the ruler, with its note beside it, over its line.
export function drawMarks(ctx: Ctx, t: Scene): void {
	const marks = app.marks.get();
	if (!marks.length) return;
	scaled(ctx, t, () => {
		ctx.beginPath();
		ctx.rect(t.labels, 0, t.view.width, t.view.height + RULER);
		ctx.clip();
		ctx.font = SMALL;
		ctx.textAlign = 'left';
		ctx.textBaseline = 'middle';
		marks.forEach((mark, i) => {
			const x = Math.round(t.labels + t.view.x(mark.t)), next = marks[i + 1] ? t.labels + t.view.x(marks[i + 1].t) : Infinity;
			if (x < t.labels - 200 || x > t.labels + t.view.width) return;
			ctx.fillStyle = t.colors.accent;
			ctx.fillRect(x, RULER - MARK_H, 1, MARK_H);
			const text = fit(ctx, mark.note, Math.min(180, next - x - 12));
			const w = text ? measure(ctx, text) + 8 : 6;
			ctx.fillRect(x, RULER - MARK_H, w, MARK_H - 1);
			ctx.fillStyle = t.colors.background;
			if (text) ctx.fillText(text, x + 4, RULER - MARK_H / 2);
		});
	});
}

export const MARK_H = 14; // of a flag, px

const hatches = new Map<string, CanvasPattern>();

export function hatching(ctx: Ctx, color: string): CanvasPattern {
	const known = hatches.get(color);
	if (known) return known;
	const c = document.createElement('canvas');
	c.width = c.height = 8;
	const x = c.getContext('2d')!;
	x.strokeStyle = color;
	x.lineWidth = 1.5;
	for (const o of [-8, 0, 8]) {
		x.beginPath();
		x.moveTo(o, 8);
		x.lineTo(o + 8, 0);
		x.stroke();
	}
	const pattern = ctx.createPattern(c, 'repeat')!;
	hatches.set(color, pattern);
	return pattern;
}

// What was finer there is no longer kept: what is left is paler, with stripes through it.
export function drawTrimmed(ctx: Ctx, t: Scene, boxes: Box[], height: number): void {
	for (const { x, width, y } of boxes) {
		ctx.fillStyle = t.colors.background;
		ctx.globalAlpha = 0.5;
		ctx.fillRect(x, y, width, height);
		ctx.globalAlpha = 1;
		ctx.fillStyle = hatching(ctx, t.colors.background);
		ctx.fillRect(x, y, width, height);
	}
}

// Where events were lost, nothing on any row is certain.
export function drawLoss(ctx: Ctx, t: Scene): void {
	const s = t.series;
	if (!s) return;
	scaled(ctx, t, () => {
		ctx.beginPath();
		ctx.rect(t.labels, RULER, t.view.width, t.view.height);
		ctx.clip();
		ctx.fillStyle = hatching(ctx, t.colors.danger);
		ctx.globalAlpha = 0.7;
		s.lost.forEach((n, i) => {
			if (!n) return;
			const from = s.start_ns + i * s.width_ns - app.origin;
			const x = t.labels + t.view.x(from);
			ctx.fillRect(x, RULER, Math.max(3, s.width_ns / t.view.scale), t.view.height);
		});
	});
}

export function drawRange(ctx: Ctx, t: Scene): void {
	const range = t.rangeDraft ?? app.range.get();
	scaled(ctx, t, () => {
		ctx.beginPath();
		ctx.rect(t.labels, 0, t.view.width, t.view.height + RULER);
		ctx.clip();
		if (range) {
			const x0 = t.labels + t.view.x(range.from), x1 = t.labels + t.view.x(range.to);
			ctx.fillStyle = t.colors.accent;
			ctx.globalAlpha = 0.1;
			ctx.fillRect(x0, RULER, x1 - x0, t.view.height);
			ctx.globalAlpha = 1;
			ctx.font = MONO;
			ctx.textAlign = 'center';
			ctx.textBaseline = 'top';
			const text = duration(range.to - range.from), w = ctx.measureText(text).width + 10;
			const middle = badgeMiddle(x0, x1, w, t.labels, t.labels + t.view.width);
			if (middle !== null) {
				ctx.fillRect(middle - w / 2, RULER + 4, w, 17);
				ctx.fillStyle = t.colors.background;
				ctx.fillText(text, middle, RULER + 7);
			}
		}
		if (t.zoomBox) {
			ctx.strokeStyle = t.colors.text;
			ctx.setLineDash([4, 3]);
			ctx.strokeRect(t.zoomBox.x0 + 0.5, RULER + 0.5, t.zoomBox.x1 - t.zoomBox.x0, t.view.height - 1);
		}
	});
}

// --- texts in wide spans ----------------------------------------------------------------------------

// `ns`: of all of the span, whatever is in sight. `known`: its begin is; else it is at least so long.
function spanText(state: number, reason: string, ns: number, known: boolean, open: boolean): [name: string, length: string] {
	const why = waits(state) && reason ? reason : '';
	return [why ? `${STATES[state]}: ${why}` : STATES[state], `${known ? '' : '≥ '}${duration(ns)}${open ? ' …' : ''}`];
}

export const SPAN_TEXT_PX = 56; // what is narrower says nothing

export function drawSpanTexts(ctx: Ctx, t: Scene, first: number, last: number): void {
	if (t.rowHeight < 15 || !t.stays.length) return;
	const v = t.view;
	scaled(ctx, t, () => {
		ctx.beginPath();
		ctx.rect(t.labels, RULER, v.width, v.height);
		ctx.clip();
		ctx.font = '10.5px system-ui, sans-serif';
		ctx.textBaseline = 'middle';
		ctx.textAlign = 'left';
		for (const stay of t.stays) {
			const i = t.indexOf(stay[STAY.goid]);
			if (i >= first && i < last) drawSpanText(ctx, t, stay, t.rowTop(i));
		}
	});
}

// Why a row has no states.
export function drawUntold(ctx: Ctx, t: Scene, first: number, last: number): void {
	const rows = t.entries.slice(first, last);
	if (t.rowHeight < 15 || rows.every((e) => !e.row || tellable(e.row.goid))) return;
	scaled(ctx, t, () => {
		ctx.font = '10.5px system-ui, sans-serif';
		ctx.textBaseline = 'middle';
		ctx.textAlign = 'left';
		rows.forEach((e, i) => {
			if (!e.row || tellable(e.row.goid)) return;
			const text = fit(ctx, `not drawn: ${TOO_LARGE}`, t.view.width - 8), y = t.rowTop(first + i) + t.rowHeight / 2 + 0.5;
			t.said.push(text);
			ctx.strokeStyle = t.colors.background;
			ctx.lineWidth = 3;
			ctx.strokeText(text, t.labels + 4, y);
			ctx.fillStyle = t.colors.muted;
			ctx.fillText(text, t.labels + 4, y);
		});
	});
}

function drawSpanText(ctx: Ctx, t: Scene, stay: Stay, top: number): void {
	// Of what is not known to have begun then, as long as it was looked at.
	const known = !!stay[STAY.begin_known], begin = known ? stay[STAY.begin] - app.origin : Math.max(0, stay[STAY.begin] - app.origin);
	const state = stay[STAY.state], now = app.now();
	const { end, open, sure } = endOf(stay, app.table?.rows.get(stay[STAY.goid]), app.origin, now, t.staysAt);
	const x0 = Math.max(t.labels, t.labels + t.view.x(Math.max(0, begin)));
	const x1 = Math.min(t.labels + t.view.width, t.labels + t.view.x(end));
	if (x1 - x0 < SPAN_TEXT_PX || (state === WAITING && !stay[STAY.reason])) return; // the line says it
	const height = stateHeight(state, app.settings.get().marks), tall = height > 0.7;
	const [name, length] = spanText(state, stay[STAY.reason], end - begin, known, open);
	const text = (sure ? [`${name} ${length}`, name] : [name]).find((s) => measure(ctx, s) <= x1 - x0 - 8);
	if (!text) return;
	t.said.push(text);
	const strip = app.settings.get().allocations ? 3 : 0;
	// In the middle of its bar, which stands at the bottom (engine.ts, configure()); or over the bar's upper edge.
	const y = tall ? top + t.rowHeight - 2 - strip - (t.rowHeight - 4 - strip) * height / 2 + 0.5 : top + t.rowHeight * 0.4;
	if (state !== WAITING) { // its bar may be pale, or lower than the text
		ctx.strokeStyle = tall ? t.colors.state[state] : t.colors.background;
		ctx.lineWidth = 3;
		ctx.strokeText(text, x0 + 4, y);
	}
	ctx.fillStyle = tall ? textOn(t.colors.state[state]) : state === WAITING ? t.colors.muted : t.colors.text;
	ctx.fillText(text, x0 + 4, y);
}

// --- who woke and who created whom -----------------------------------------------------------------

export function drawEdges(ctx: Ctx, t: Scene, first: number, last: number): void {
	if (!t.edges.length) return;
	scaled(ctx, t, () => {
		ctx.beginPath();
		ctx.rect(t.labels, RULER, t.view.width, t.view.height);
		ctx.clip();
		ctx.lineWidth = 1;
		let drawn = 0;
		let lastX = -10;
		// Too many for lines to tell anything: heads only, until somebody zooms in.
		const visible = t.edges.filter((e) => e.time >= t.view.t0 && e.time <= t.view.t1).length;
		const heads = visible * 10 > t.view.width;
		for (const e of t.edges) {
			const x = t.labels + t.view.x(e.time);
			if (x < t.labels - 2 || x > t.labels + t.view.width || drawn > 1500) continue;
			const a = t.indexOf(e.from), b = t.indexOf(e.to);
			if (b < 0 || a < 0) continue;
			if ((a < first && b < first) || (a >= last && b >= last)) continue;
			if (heads && x - lastX < 5) continue;
			lastX = x;
			drawn++;
			const down = b > a;
			const ya = t.rowTop(a) + t.rowHeight / 2;
			const yb = t.rowTop(b) + (down ? 2 : t.rowHeight - 4);
			ctx.strokeStyle = ctx.fillStyle = e.kind === 'create' ? t.colors.accent : t.colors.text;
			ctx.globalAlpha = e.kind === 'create' ? 0.95 : 0.6;
			ctx.setLineDash(e.kind === 'create' ? [3, 2] : []);
			if (!heads) {
				ctx.beginPath();
				ctx.moveTo(x, ya);
				ctx.lineTo(x, yb);
				ctx.stroke();
				ctx.fillRect(x - 1.5, ya - 1.5, 3, 3);
			}
			ctx.beginPath();
			const d = down ? -4 : 4;
			ctx.moveTo(x, yb);
			ctx.lineTo(x - 3, yb + d);
			ctx.lineTo(x + 3, yb + d);
			ctx.fill();
		}
	});
}
