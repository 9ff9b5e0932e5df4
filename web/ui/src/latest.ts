// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a picture that moves asks the server for: one question at a time, and each answer is used. To
// drop an answer because the picture has moved on meanwhile would mean that a server or a browser that
// is slower than the picture is never seen to answer.
export class Latest<T> {
	value: T | null = null; // the newest answer of what is looked at now
	private of = ''; // what is looked at: an answer about something else is none
	private key = ''; // of the answer there is, or of the question under way
	private wanted: { key: string; ask: () => Promise<T> } | null = null;
	private asking = false;

	// `pauseMs` before each question: what is wanted then, is asked.
	constructor(private arrived: () => void, private pauseMs = 0) {}

	// `of` names the source, `key` the question; the same question is not asked twice.
	want(of: string, key: string, ask: () => Promise<T>): void {
		if (of !== this.of) this.forget();
		this.of = of;
		if (key === this.key) {
			this.wanted = null;
			return;
		}
		this.wanted = { key, ask };
		if (!this.asking) void this.next();
	}

	// Nothing is asked for, and there is nothing.
	forget(): void {
		this.value = this.wanted = null;
		this.of = this.key = '';
	}

	private pause(): Promise<void> | undefined {
		return this.pauseMs ? new Promise((resolve) => setTimeout(resolve, this.pauseMs)) : undefined;
	}

	private async next(): Promise<void> {
		this.asking = true;
		await this.pause();
		while (this.wanted) {
			const { key, ask } = this.wanted, of = this.of;
			this.wanted = null;
			this.key = key;
			try {
				const value = await ask();
				if (of !== this.of) continue;
				this.value = value;
				this.arrived();
			} catch { // the server is gone or busy: the next picture asks again
				if (of === this.of && key === this.key) this.key = '';
			}
			if (this.wanted) await this.pause();
		}
		this.asking = false;
	}
}
