// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Asks the browser for a frame when there is something to draw, and only then: a page that asks for
// sixty a second makes the browser compose sixty a second, whether anything changed or not, and
// without a GPU the processors pay for that, which the traced program may be on, too.
export class Frames {
	private raf = 0;
	private timer = 0;
	private due = Infinity;
	private last = -Infinity; // when the last one was drawn

	constructor(private draw: () => void) {}

	// In the next frame.
	soon(): void {
		clearTimeout(this.timer);
		this.due = Infinity;
		this.raf ||= requestAnimationFrame(this.frame);
	}

	// When `ms` have passed since the last one; an earlier wish stays.
	after(ms: number): void {
		const due = this.last + ms, now = performance.now();
		if (this.raf || due >= this.due) return;
		if (due <= now) return this.soon();
		clearTimeout(this.timer);
		this.due = due;
		this.timer = setTimeout(() => this.soon(), due - now) as unknown as number;
	}

	stop(): void {
		cancelAnimationFrame(this.raf);
		clearTimeout(this.timer);
		this.raf = -1;
	}

	private frame = (at: number): void => {
		this.raf = 0;
		this.last = at;
		this.draw();
	};
}
