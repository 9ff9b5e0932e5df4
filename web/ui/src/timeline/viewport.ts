// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What part of time and of the rows is on screen, how it moves, and where it was before.
interface Place {
	t0: number; // ns at the left edge
	scale: number; // ns per CSS pixel
}

const SCALE_MIN = 1; // one ns a pixel
const SPAN_MOST = 1e13; // ns on the whole width, where it is not known how long it is
const SPAN_LEAST_MOST = 1e9; // what was only just begun may be seen on so much
const MARGIN = 0.05; // of what there is: so much of nothing is on either side of it
const HISTORY_MAX = 50;
const SETTLED_MS = 600; // whoever moves on before that, is still on the way
const IN_SIGHT = 0.5; // of the width: so much of what there is stays in it

export class Viewport {
	t0 = 0;
	scale = 8e6;
	scrollY = 0;
	width = 800; // of the time area, CSS px
	height = 400;
	contentHeight = 0;
	end = 0; // of what there is; 0: not known
	private target: (Place & { begun: number; from: Place }) | null = null;
	private history: Place[] = [];
	private future: Place[] = []; // what back() left
	private moving = false;
	private settleTimer = 0;

	get t1(): number {
		return this.t0 + this.width * this.scale;
	}

	// On its way to where goTo() sent it.
	get travels(): boolean {
		return !!this.target;
	}

	// Where it is, or is on its way to.
	get aim(): Place {
		const { t0, scale } = this.target ?? this;
		return { t0, scale };
	}

	x(t: number): number {
		return (t - this.t0) / this.scale;
	}

	time(x: number): number {
		return this.t0 + x * this.scale;
	}

	private clampScale(scale: number): number {
		const most = this.end > 0 ? Math.max(this.end * (1 + 2 * MARGIN), SPAN_LEAST_MOST) : SPAN_MOST;
		return Math.min(Math.max(scale, SCALE_MIN), most / Math.max(this.width, 1));
	}

	// The nearest left edge that shows no more than a margin of nothing beside what there is.
	private clampEdge(t0: number, scale: number): number {
		if (this.end <= 0) return t0;
		const span = this.width * scale, margin = Math.min(span * (1 - IN_SIGHT), this.end * MARGIN);
		const first = -margin, last = this.end + margin - span;
		// What is shorter than the width is in sight as a whole.
		return Math.min(Math.max(t0, Math.min(first, last)), Math.max(first, last));
	}

	// Keeps the time under x where it is.
	zoom(factor: number, x: number): void {
		const t = this.time(x);
		this.move();
		this.scale = this.clampScale(this.scale * factor);
		this.t0 = t - x * this.scale;
		this.clamp();
	}

	// Nobody gets lost where there is nothing.
	private clamp(): void {
		this.t0 = this.clampEdge(this.t0, this.scale);
	}

	// That time on the whole width, as near as may be.
	private around(t0: number, t1: number): Place {
		const scale = this.clampScale((t1 - t0) / Math.max(this.width, 1));
		return { t0: this.clampEdge((t0 + t1 - this.width * scale) / 2, scale), scale };
	}

	// At once, and no step of its own: an address, a drag in the minimap.
	show(t0: number, t1: number): void {
		Object.assign(this, this.around(t0, t1));
	}

	pan(dx: number, dy: number): void {
		if (dx) {
			this.move();
			this.t0 += dx * this.scale;
			this.clamp();
		}
		this.scroll(this.scrollY + dy);
	}

	scroll(y: number): void {
		this.scrollY = Math.max(0, Math.min(y, this.contentHeight - this.height));
	}

	// Moves there in a fifth of a second; at once for those who asked for less motion.
	goTo(t0: number, t1: number): void {
		const place = this.around(t0, t1);
		this.moving = false;
		this.move();
		this.moving = false; // a place of its own
		this.glide(place);
	}

	private glide(place: Place): void {
		if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
			this.target = null;
			Object.assign(this, place);
		} else {
			this.target = { ...place, begun: performance.now(), from: { t0: this.t0, scale: this.scale } };
		}
	}

	// One frame of a movement. True while it goes on.
	animate(): boolean {
		const m = this.target;
		if (!m) return false;
		const part = Math.min(1, (performance.now() - m.begun) / 180);
		const ease = 1 - (1 - part) ** 3;
		this.scale = m.from.scale * (m.scale / m.from.scale) ** ease;
		// Edges move so that zooming looks straight.
		const k = m.scale === m.from.scale ? ease :
			(this.scale - m.from.scale) / (m.scale - m.from.scale);
		this.t0 = m.from.t0 + (m.t0 - m.from.t0) * k;
		if (part < 1) return true;
		this.t0 = m.t0;
		this.scale = m.scale;
		this.target = null;
		return false;
	}

	// --- history: where one stayed for a moment -------------------------------------------------

	// Before the first step away from a place; the steps after it are the same movement.
	private move(): void {
		if (!this.moving) {
			this.history.push(this.aim);
			if (this.history.length > HISTORY_MAX) this.history.shift();
			this.future = [];
		}
		this.target = null;
		this.moving = true;
		clearTimeout(this.settleTimer);
		this.settleTimer = setTimeout(() => { this.moving = false; }, SETTLED_MS) as unknown as number;
	}

	// False: there is nowhere to go.
	back(): boolean {
		return this.swap(this.history, this.future);
	}

	forward(): boolean {
		return this.swap(this.future, this.history);
	}

	private swap(from: Place[], to: Place[]): boolean {
		const place = from.pop();
		if (!place) return false;
		to.push(this.aim);
		this.moving = false;
		this.glide(place);
		return true;
	}
}

// Device px [x0, x1) of what is in sight, cut at the edges of the time area [left, right): one at least, also where no more than
// the last part of a px of it is.
export function cut(x0: number, x1: number, left: number, right: number): { x: number; width: number } {
	const x = Math.min(Math.max(x0, left), right - 1);
	return { x, width: Math.max(1, Math.min(x1, right) - x) };
}

// Where a badge of `w` px stands that belongs to [x0, x1): in the middle of what is in sight of it, all of it
// between `left` and `right`; null: nothing of it is in sight, or there is no room.
export function badgeMiddle(x0: number, x1: number, w: number, left: number, right: number): number | null {
	if (x1 <= left || x0 >= right || right - left < w) return null;
	const middle = (Math.max(x0, left) + Math.min(x1, right)) / 2;
	return Math.min(Math.max(middle, left + w / 2), right - w / 2);
}
