// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A value that components follow. The whole state of the UI is a few of these (app.ts).
import { useEffect, useState } from 'preact/hooks';

export class Value<T> {
	private subscribers = new Set<() => void>();
	constructor(private current: T) {}

	get(): T {
		return this.current;
	}

	set(next: T): void {
		if (Object.is(next, this.current)) return;
		this.current = next;
		for (const fn of [...this.subscribers]) fn();
	}

	update(change: Partial<T>): void {
		this.set({ ...this.current, ...change });
	}

	subscribe(fn: () => void): () => void {
		this.subscribers.add(fn);
		return () => this.subscribers.delete(fn);
	}
}

export function useValue<T>(value: Value<T>): T {
	const [, redraw] = useState(0);
	const drawn = value.get();
	useEffect(() => {
		const again = () => redraw((n) => n + 1);
		// It may have changed between the drawing and now, when nobody listened yet.
		if (!Object.is(value.get(), drawn)) again();
		return value.subscribe(again);
	}, [value]);
	return drawn;
}
