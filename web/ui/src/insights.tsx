// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is wrong now, by the server's view `problems`: the worst in one line that is always there, all of
// them on demand, each with a click to what it is about. It lies over the rows and moves none.
import { useEffect } from 'preact/hooks';
import { app } from './app';
import { at, getJson } from './api';
import { word } from './filter';
import { goToRow } from './goto';
import { usePolled } from './poll';
import { firstOf, lastProblems, listOpen, type Problem } from './problems';
import { useValue } from './store';

interface Answer { watched_ns: number; too_early_ns: number; problems: Problem[]; looked_for: { kind: string; threshold: string; seen: boolean; why_not: string }[] }

const EVERY_MS = 10000; // the server reads stacks for it
// Where it can be looked at: what the server says to look at first, or by its kind when it is about no goroutine.
type Place = 'overview' | 'memory' | 'leaks' | 'timeline';
const VIEW_OF: Record<string, Place> = { latency: 'overview', cpu: 'overview', lost: 'overview', audit: 'overview', cost: 'overview', gc: 'overview', allocation: 'memory', leak: 'leaks', growing: 'leaks', starts: 'leaks' };
const PLACES: [RegExp, Place][] = [[/^(leaks|sites)\b/, 'leaks'], [/^alloc_sites\b/, 'memory']];

function show(p: Problem): void {
	const first = p.see[0] ?? '', goid = firstOf(p) || p.goids[0];
	const place = PLACES.find(([is]) => is.test(first))?.[1] ?? (goid ? 'timeline' : VIEW_OF[p.kind]) ?? 'timeline';
	if (place === 'memory' && app.source.get() === 'live') app.memoryBy.set('call site');
	const line = document.querySelector<HTMLElement>('.insights-line');
	app.view.set(place);
	// The button that was pressed goes with its list: whoever goes by keys goes on where it led to.
	if (place !== 'timeline') document.querySelector<HTMLElement>(`[role=tab][data-view=${place}]`)?.focus();
	else if (goid && app.selected.get() !== goid) app.opener = line;
	else (goid ? document.querySelector<HTMLElement>('.panel h2') : line)?.focus();
	if (place !== 'timeline' || !goid) return;
	// Those that began there, where there are more; a function in which they wait is none of a row's.
	const rows = p.goids.map((g) => app.table?.rows.get(g));
	if (rows.length > 1 && rows.every((r) => r?.func === p.function)) app.browse.update({ filter: `func:${word(p.function)}` });
	goToRow(goid);
}

export function Insights() {
	const source = useValue(app.source);
	const open = useValue(listOpen), setOpen = (is: boolean) => listOpen.set(is);
	useEffect(() => () => listOpen.set(false), []); // another view has none
	const { value } = usePolled(async () => {
		const proc = app.proc.get(), got = await getJson<Answer>(at(source, 'problems'));
		lastProblems.set({ source, proc, at: performance.now(), list: got.problems });
		return got;
	}, EVERY_MS, []);
	const list = value?.problems ?? [], worst = list[0];
	return (
		<section class="insights" aria-label="Problems">
			<button class="insights-line" aria-expanded={open} disabled={!value} onClick={() => setOpen(!open)}
				title={value ? 'All of them, and what was looked for' : ''}>
				{!value ? <span class="muted">…</span> : worst ? <><i class={`sev ${worst.severity}`} />
					<b>{list.length} problem{list.length === 1 ? '' : 's'}</b> <span class="insight-text">{worst.kind}: {worst.text}</span></> :
					<><i class="sev" />{value.too_early_ns ? 'Too early to tell: no problem found yet' : 'No problem found'} <span class="muted">of {value.looked_for.filter((l) => l.seen).length} kinds that {value.too_early_ns ? 'are' : 'were'} looked for</span></>}
				<span class="muted"> {open ? '▴' : '▾'}</span></button>
			{open && value ? <div class="insights-list">
				<ul>{list.map((p) => <li key={`${p.kind}/${p.text}`}><button onClick={() => { show(p); setOpen(false); }}>
					<i class={`sev ${p.severity}`} /><span><b>{p.severity} {p.kind}</b>: {p.text}</span></button></li>)}</ul>
				<details><summary>What was looked for</summary><ul class="looked">{value.looked_for.map((l) => <li class={l.seen ? '' : 'muted'}>{l.kind}: {l.seen ? l.threshold : `not looked for: ${l.why_not}`}</li>)}</ul></details>
			</div> : null}
		</section>
	);
}
