// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a view asks the server again and again while it is shown and more may come: not while the page
// is hidden or the picture is held.
import { useEffect, useState } from 'preact/hooks';
import { app } from './app';
import { useValue } from './store';

interface Polled<T> {
	value: T | null; // the last answer; null until there is one of this source
	problem: string; // why the last question had none
	refresh: () => void;
}

// `ask` is asked at once when one of `deps`, or what is looked at, changes.
export function usePolled<T>(ask: () => Promise<T>, everyMs: number, deps: unknown[]): Polled<T> {
	const source = useValue(app.source);
	const proc = useValue(app.proc);
	const status = useValue(app.status);
	const ready = !!status && app.usable;
	const [got, setGot] = useState<{ of: string; value: T | null; problem: string }>({ of: '', value: null, problem: '' });
	const [asked, setAsked] = useState(0);
	const of = `${source}/${proc}`;
	useEffect(() => {
		if (!ready) return;
		let timer = 0, stopped = false, have = false;
		const again = async () => {
			if (!document.hidden && !(have && app.paused.get())) {
				try {
					const value = await ask();
					if (stopped) return;
					have = true;
					setGot({ of, value, problem: '' });
				} catch (e) {
					if (stopped) return;
					setGot((old) => ({ of, value: old.of === of ? old.value : null, problem: (e as Error).message }));
				}
			}
			if (!stopped && app.moves) timer = setTimeout(() => void again(), everyMs) as unknown as number;
		};
		void again();
		return () => {
			stopped = true;
			clearTimeout(timer);
		};
	}, [of, ready, app.growing, asked, ...deps]);
	return { value: got.of === of ? got.value : null, problem: got.of === of ? got.problem : '', refresh: () => setAsked(asked + 1) };
}
