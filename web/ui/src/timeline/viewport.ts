// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What part of time and of the rows is on screen, how it moves, and where it was before.
export interface Place {
	t0: number; // ns at the left edge
	scale: number; // ns per CSS pixel
}

const SCALE_MIN = 1; // one ns a pixel
const HISTORY_MAX = 50;

export class Viewport {
	t0 = 0;
	scale = 8e6;
	scrollY = 0;
	width = 800; // of the time area, CSS px
	height = 400;
	contentHeight = 0;
	private target: (Place & { begun: number; from: Place }) | null = null;
	private history: Place[] = [];
	private settled: Place | null = null;
	private settleTimer = 0;

	get t1(): number {
		return this.t0 + this.width * this.scale;
	}

	x(t: number): number {
		return (t - this.t0) / this.scale;
	}

	time(x: number): number {
		return this.t0 + x * this.scale;
	}

	private clampScale(scale: number): number {
		return Math.min(Math.max(scale, SCALE_MIN), 1e13 / Math.max(this.width, 1));
	}

	// Keeps the time under x where it is.
	zoom(factor: number, x: number): void {
		const t = this.time(x);
		this.target = null;
		this.scale = this.clampScale(this.scale * factor);
		this.t0 = t - x * this.scale;
		this.note();
	}

	pan(dx: number, dy: number): void {
		this.target = null;
		this.t0 += dx * this.scale;
		this.scroll(this.scrollY + dy);
		if (dx) this.note();
	}

	scroll(y: number): void {
		this.scrollY = Math.max(0, Math.min(y, this.contentHeight - this.height));
	}

	// Moves there in a fifth of a second; at once for those who asked for less motion.
	goTo(t0: number, t1: number): void {
		const scale = this.clampScale((t1 - t0) / Math.max(this.width, 1));
		const middle = (t0 + t1) / 2;
		const place = { t0: middle - this.width * scale / 2, scale };
		this.remember();
		if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
			Object.assign(this, place);
			this.note();
			return;
		}
		this.target = { ...place, begun: performance.now(), from: { t0: this.t0, scale: this.scale } };
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
		this.note();
		return false;
	}

	// --- history: where one stayed for a moment -------------------------------------------------

	private note(): void {
		clearTimeout(this.settleTimer);
		this.settleTimer = setTimeout(() => {
			if (this.settled) this.push(this.settled);
			this.settled = { t0: this.t0, scale: this.scale };
		}, 600) as unknown as number;
	}

	private remember(): void {
		this.push({ t0: this.t0, scale: this.scale });
		this.settled = null;
	}

	private push(place: Place): void {
		this.history.push(place);
		if (this.history.length > HISTORY_MAX) this.history.shift();
	}

	back(): void {
		const place = this.history.pop();
		if (!place) return;
		this.settled = null;
		this.target = { ...place, begun: performance.now(), from: { t0: this.t0, scale: this.scale } };
	}
}
