// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the server last said is wrong (its view `problems`): the line above the rows asks for it, and a goroutine's
// panel tells what of it names that goroutine, who likely holds a lock and why among it.
import { useEffect, useState } from 'preact/hooks';
import { app } from './app';
import { duration } from './format';
import { useValue, Value } from './store';

export interface Problem { kind: string; severity: 'notice' | 'warning' | 'critical'; text: string; function: string; see: string[]; goids: number[] }

export const lastProblems = new Value<{ source: string; proc: number; at: number; list: Problem[] } | null>(null); // at: as performance.now() has it

export const listOpen = new Value(false);

// The key that closes it leaves who was in it at its line.
export function closeList(): void {
	const inside = document.activeElement?.closest('.insights');
	listOpen.set(false);
	if (inside) inside.querySelector<HTMLElement>('.insights-line')?.focus();
}

// The goroutine that is to be looked at first.
export const firstOf = (p: Problem) => Number(/^goroutines\/(\d+)\//.exec(p.see[0] ?? '')?.[1] ?? 0);

export function useNamedIn(goid: number): { problems: Problem[]; note: string } {
	const last = useValue(lastProblems), source = useValue(app.source), proc = useValue(app.proc);
	const [, tick] = useState(0);
	useEffect(() => {
		const timer = setInterval(() => tick((n) => n + 1), 1000); // its age
		return () => clearInterval(timer);
	}, []);
	if (!last || last.source !== source || last.proc !== proc) return { problems: [], note: '' };
	const age = performance.now() - last.at;
	return { problems: last.list.filter((p) => firstOf(p) === goid || p.goids.includes(goid)), note: age < 1000 ? 'as of now' : `as of ${duration(Math.round(age / 1e3) * 1e9)} ago` };
}
