// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What nobody asked for (the present moving on, rows that came) is drawn less often where drawing
// takes long: it shall not take more than a share of a processor, which the traced program may need.
export class Pace {
	private cost = 0; // ms, of late
	private ended = -Infinity;

	constructor(private least: number, private share: number) {}

	run(work: () => void): void {
		const begun = performance.now();
		work();
		this.ended = performance.now();
		this.cost += (this.ended - begun - this.cost) * 0.3;
	}

	// ms from one to the next.
	get interval(): number {
		return Math.max(this.least, this.cost / this.share);
	}

	get due(): boolean {
		return performance.now() - this.ended >= this.interval;
	}
}
