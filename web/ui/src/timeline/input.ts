// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What mouse, touch and keyboard do on the timeline.
import { SPAN, STATES, type Span } from 'contract';
import { app, type Mark } from '../app';
import { at, getJson, int, tellable, TOO_LARGE } from '../api';
import { duration, goidText } from '../format';
import { firstAt } from '../lanes';
import { UI_DEFAULTS } from '../types';
import type { Timeline } from './engine';
import { MARK_H } from './paint';
import { RULER } from './scene';

const CLICK_PX = 4;

interface Drag {
	kind: 'pan' | 'range' | 'box' | 'labels';
	x: number;
	y: number;
	startX: number;
	startY: number;
	startTime: number;
	moved: boolean;
}

export function attachInput(t: Timeline): () => void {
	const el = t.canvas;
	const pointers = new Map<number, { x: number; y: number }>();
	let drag: Drag | null = null;
	let pinch = 0;

	const local = (e: PointerEvent | WheelEvent) => {
		const r = el.getBoundingClientRect();
		return { x: e.clientX - r.left, y: e.clientY - r.top };
	};
	const spread = () => {
		const [a, b] = [...pointers.values()];
		return Math.hypot(a.x - b.x, a.y - b.y);
	};

	const down = (e: PointerEvent) => {
		if (e.button > 1) return;
		const p = local(e);
		el.setPointerCapture(e.pointerId);
		pointers.set(e.pointerId, p);
		el.focus({ preventScroll: true });
		if (pointers.size === 2) {
			pinch = spread();
			drag = null;
			return;
		}
		const hit = t.hit(p.x, p.y);
		const near = Math.abs(p.x - t.labels) <= (e.pointerType === 'mouse' ? 3 : 8);
		const kind = near ? 'labels' : e.ctrlKey || e.metaKey ? 'box' : e.shiftKey || hit.area === 'ruler' ? 'range' : 'pan';
		drag = { kind, x: p.x, y: p.y, startX: p.x, startY: p.y, startTime: hit.time, moved: false };
	};

	const move = (e: PointerEvent) => {
		const p = local(e);
		if (pointers.has(e.pointerId)) pointers.set(e.pointerId, p);
		if (pointers.size === 2) {
			const [a, b] = [...pointers.values()];
			const now = spread();
			if (pinch > 0) {
				leave();
				t.view.zoom(pinch / Math.max(now, 1), (a.x + b.x) / 2 - t.labels);
			}
			pinch = now;
			t.redraw();
			return;
		}
		t.hover = e.pointerType === 'mouse' || drag ? t.hit(p.x, p.y) : null;
		if (drag) dragTo(p);
		el.style.cursor = drag?.kind === 'labels' || (!drag && Math.abs(p.x - t.labels) <= 3) ? 'ew-resize' : drag?.kind === 'pan' && drag.moved ? 'grabbing' :
			t.hover?.area === 'ruler' ? 'col-resize' : t.hover?.entry ? 'pointer' : 'default';
		t.redraw();
		t.onHover();
	};

	// A wish to look elsewhere ends following.
	const leave = () => app.follow.set(false);

	const dragTo = (p: { x: number; y: number }) => {
		const d = drag!;
		if (!d.moved && Math.hypot(p.x - d.startX, p.y - d.startY) < CLICK_PX) return;
		d.moved = true;
		if (d.kind === 'labels') {
			app.settings.update({ labels: Math.max(1, Math.round(p.x)) });
		} else if (d.kind === 'pan') {
			if (Math.abs(p.x - d.x) > 0.5) leave();
			t.view.pan(d.x - p.x, d.y - p.y);
		} else if (d.kind === 'range') {
			const at = t.view.time(p.x - t.labels);
			t.rangeDraft = { from: Math.min(d.startTime, at), to: Math.max(d.startTime, at) };
		} else {
			t.zoomBox = { x0: Math.min(d.startX, p.x), x1: Math.max(d.startX, p.x) };
		}
		d.x = p.x;
		d.y = p.y;
	};

	const up = (e: PointerEvent) => {
		pointers.delete(e.pointerId);
		const d = drag;
		drag = null;
		if (!d) return;
		if (d.kind === 'labels') app.set({ labels: t.labels });
		else if (!d.moved) click(t, d.startX, d.startY);
		else if (d.kind === 'range' && t.rangeDraft) app.range.set(t.rangeDraft);
		else if (d.kind === 'box' && t.zoomBox) {
			leave();
			t.view.goTo(t.view.time(t.zoomBox.x0 - t.labels), t.view.time(t.zoomBox.x1 - t.labels));
		}
		t.rangeDraft = t.zoomBox = null;
		t.redraw();
	};

	const cancel = (e: PointerEvent) => {
		pointers.delete(e.pointerId);
		drag = t.rangeDraft = t.zoomBox = null;
	};

	const out = () => {
		t.hover = null;
		t.redraw();
		t.onHover();
	};

	const wheel = (e: WheelEvent) => {
		e.preventDefault();
		const p = local(e);
		const unit = e.deltaMode === 1 ? 16 : e.deltaMode === 2 ? t.view.height : 1;
		let dx = e.deltaX * unit, dy = e.deltaY * unit;
		if (e.ctrlKey || e.metaKey) {
			// While following, the present stays where it is.
			const x = app.follow.get() ? t.view.x(app.now()) : p.x - t.labels;
			t.view.zoom(Math.exp(Math.max(-80, Math.min(80, dy)) * 0.006), x);
		} else {
			if (e.shiftKey && !dx) [dx, dy] = [dy, 0];
			if (Math.abs(dx) > Math.abs(dy) && dx) {
				leave();
				dy = 0;
			} else {
				dx = 0;
			}
			t.view.pan(dx, dy);
		}
		t.hover = t.hit(p.x, p.y);
		t.redraw();
		t.onHover();
	};

	const double = (e: MouseEvent): void => {
		const hit = t.hit(local(e as PointerEvent).x, local(e as PointerEvent).y);
		if (Math.abs(hit.x - t.labels) <= 3) return app.set({ labels: UI_DEFAULTS.labels });
		if (hit.area === 'rows') {
			leave();
			const span = t.view.width * t.view.scale;
			t.view.goTo(hit.time - span / 8, hit.time + span / 8);
			t.redraw();
		}
	};

	t.onKey = (e) => onKey(t, e);
	el.addEventListener('pointerdown', down);
	el.addEventListener('pointermove', move);
	el.addEventListener('pointerup', up);
	el.addEventListener('pointercancel', cancel);
	el.addEventListener('pointerleave', out);
	el.addEventListener('wheel', wheel, { passive: false });
	el.addEventListener('dblclick', double);
	return () => {
		el.removeEventListener('pointerdown', down);
		el.removeEventListener('pointermove', move);
		el.removeEventListener('pointerup', up);
		el.removeEventListener('pointercancel', cancel);
		el.removeEventListener('pointerleave', out);
		el.removeEventListener('wheel', wheel);
		el.removeEventListener('dblclick', double);
	};
}

function click(t: Timeline, x: number, y: number): void {
	const hit = t.hit(x, y);
	const mark = hit.area === 'ruler' && markAt(t, x, y);
	if (mark) {
		app.marked.set(mark);
		app.dialog.set('mark');
	} else if (hit.entry?.group) app.toggleGroup(hit.entry.group.key);
	else if (hit.entry?.row) app.selected.set(hit.entry.row.goid);
	else if (hit.area === 'ruler') app.range.set(null);
	else app.selected.set(null);
}

// Whose flag is there.
function markAt(t: Timeline, x: number, y: number): Mark | undefined {
	return y < RULER - MARK_H ? undefined : [...app.marks.get()].reverse().find((m) => x >= t.labels + t.view.x(m.t) - 2 && x < t.labels + t.view.x(m.t) + 60);
}

// --- keyboard -------------------------------------------------------------------------------------

function selectNeighbour(t: Timeline, step: number): void {
	const rows = t.entries;
	let i = app.selected.get() === null ? (step > 0 ? -1 : rows.length) : t.indexOf(app.selected.get()!);
	for (i += step; i >= 0 && i < rows.length; i += step) {
		// Of those that share a row the first in sight.
		const { lane } = rows[i], row = rows[i].row ?? lane?.rows[Math.min(firstAt(lane, t.view.t0), lane.rows.length - 1)];
		if (!row) continue;
		app.selected.set(row.goid);
		t.reveal(row.goid);
		return;
	}
}

let steps = Promise.resolve();

// Each from where the one before has brought him, however fast keys are pressed.
function stepSpans(t: Timeline, step: number): void {
	steps = steps.then(() => stepSpan(t, step)).catch((x) => app.fail(x));
}

// Centres the next or previous change of the selected goroutine's state.
async function stepSpan(t: Timeline, step: number): Promise<void> {
	const goid = app.selected.get();
	if (goid === null) return app.say('No goroutine is chosen');
	if (!tellable(goid)) return app.say(TOO_LARGE);
	const o = app.origin, { aim } = t.view, span = aim.scale * t.view.width, middle = aim.t0 + span / 2, follows = app.follow.get();
	const from = step > 0 ? middle : 0, to = step > 0 ? app.end() : middle;
	const got = await getJson<{ spans: Span[] }>(
		at(app.source.get(), `goroutines/${goid}/spans?from=${int(from + o)}&to=${int(to + o)}&limit=20000${step > 0 ? '' : '&newest=1'}`));
	const { t0, scale } = t.view.aim;
	// Who has moved on while that was asked stays where he is.
	if (app.selected.get() !== goid || (follows ? !app.follow.get() : t0 !== aim.t0 || scale !== aim.scale)) return;
	const eps = Math.max(1, scale);
	const next = step > 0 ? got.spans.find((s) => s[SPAN.begin] - o > middle + eps) :
		got.spans.filter((s) => s[SPAN.begin] - o < middle - eps).pop();
	if (next === undefined) return app.say(step > 0 ? 'No later change is kept' : 'No earlier change is kept');
	app.follow.set(false);
	const begin = next[SPAN.begin] - o;
	t.view.goTo(begin - span / 2, begin + span / 2);
	t.redraw();
	app.say(spanText(next));
}

// What begins there, for who has no pointer to rest on it.
function spanText(s: Span): string {
	const from = s[SPAN.begin] - app.origin, to = s[SPAN.end] ? s[SPAN.end] - app.origin : 0;
	return `${STATES[s[SPAN.state]]}${s[SPAN.reason] ? `: ${s[SPAN.reason]}` : ''} from ${app.timeText(from)}, ${duration((to || app.now()) - from)}${to ? '' : ' so far'}` +
		`${s[SPAN.ended_by] ? `, ended by goroutine ${goidText(s[SPAN.ended_by])}` : ''}`;
}

// What is said when a key has nowhere to go.
const STAYS: Record<string, string> = {
	a: 'There is nothing earlier', ArrowLeft: 'There is nothing earlier', d: 'There is nothing later', ArrowRight: 'There is nothing later',
	w: 'It goes no closer', '+': 'It goes no closer', '=': 'It goes no closer', s: 'It goes no wider', '-': 'It goes no wider',
	ArrowUp: 'No row is above', ArrowDown: 'No row is below', PageUp: 'The first rows are in sight', Home: 'The first rows are in sight',
	PageDown: 'The last rows are in sight', End: 'The last rows are in sight', f: 'It is in sight already', 0: 'It is as it is configured already',
};

function onKey(t: Timeline, e: KeyboardEvent): boolean {
	const v = t.view, place = () => [Math.round(v.t0 / v.scale * 10), v.scale, v.scrollY, v.travels, app.selected.get()].join();
	const before = place(), taken = moveBy(t, e), key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
	if (taken && STAYS[key] && !e.ctrlKey && !e.metaKey && place() === before) app.say(STAYS[key]);
	return taken;
}

function moveBy(t: Timeline, e: KeyboardEvent): boolean {
	const v = t.view;
	const step = v.width * (e.shiftKey ? 0.5 : 0.12);
	const leave = () => app.follow.set(false);
	const zoom = (factor: number) => {
		const anchor = app.follow.get() ? v.x(app.now()) :
			t.hover && t.hover.area !== 'label' ? t.hover.x - t.labels : v.width / 2;
		v.zoom(factor, anchor);
	};
	const again = (forth: boolean) => {
		if (forth ? v.forward() : v.back()) leave();
		else app.say(forth ? 'There is nothing to go forth to' : 'There is nothing to go back to');
	};
	const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
	if ((e.ctrlKey || e.metaKey) && key === 'z') {
		again(e.shiftKey);
	} else if ((e.ctrlKey || e.metaKey) && key === 'y') {
		again(true);
	} else if (e.ctrlKey || e.metaKey || e.altKey) {
		return false;
	} else if (key === 'a' || key === 'ArrowLeft') {
		leave();
		v.pan(-step, 0);
	} else if (key === 'd' || key === 'ArrowRight') {
		leave();
		v.pan(step, 0);
	} else if (key === 'w' || key === '+' || key === '=') {
		zoom(1 / 1.35);
	} else if (key === 's' || key === '-') {
		zoom(1.35);
	} else if (key === 'ArrowUp') {
		selectNeighbour(t, -1);
	} else if (key === 'ArrowDown') {
		selectNeighbour(t, 1);
	} else if (key === 'PageDown' || key === 'PageUp') {
		v.pan(0, (key === 'PageDown' ? 1 : -1) * (v.height - 2 * t.rowHeight));
	} else if (key === 'Home' || key === 'End') {
		v.scroll(key === 'Home' ? 0 : v.contentHeight);
	} else if (key === '.' || key === ',') {
		stepSpans(t, key === '.' ? 1 : -1);
	} else if (key === 'm') {
		app.marked.set({ t: Math.max(0, Math.round(t.hover && t.hover.area !== 'label' ? t.hover.time : (v.t0 + v.t1) / 2)), note: '' });
		app.dialog.set('mark');
	} else if (key === 'f') {
		t.fit();
	} else if (key === '0') {
		zoom(app.config.get().nanoseconds_per_pixel / v.scale);
	} else {
		return false;
	}
	t.redraw();
	return true;
}
