// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The address says what is on screen: source, view, time, filter, selection. Sent to somebody with
// access to the same server (and, for live ones, soon enough), it shows the same.
import { app, FLAME_BYS, MARKS_MAX, NOTE_MAX, RANGE_BYS, SOURCE, VIEWS, type FlameChoice, type Kept, type Mark, type Range, type ViewName } from './app';
import { tellable, TOO_LARGE } from './api';
import { GROUPS, SORTS } from './rows';
import { current } from './timeline/scene';

export interface Link {
	place: { t0: number; t1: number; source: string; scroll: number } | null;
}

// A number of an address. One that is too large to be told from its neighbours is left out, and it is said.
function exactly(name: string, text: string | null): number {
	const n = Math.round(Number(text ?? NaN));
	if (Math.abs(n) > Number.MAX_SAFE_INTEGER) app.fail(new Error(`${name} of the address is left out: ${TOO_LARGE}`));
	return Number.isSafeInteger(n) ? n : NaN;
}

export function readLink(): Link {
	const q = new URLSearchParams(location.hash.slice(1));
	const view = q.get('view');
	if (VIEWS.some(([id]) => id === view)) app.view.set(view as ViewName);
	const source = q.get('source') ?? '';
	if (source) app.source.set(source);
	const proc = Number(q.get('proc'));
	if (Number.isInteger(proc) && proc > 0 && proc < 1024) app.proc.set(proc);
	const of = exactly('of', q.get('of')), by = FLAME_BYS.find((b) => b === q.get('by')) ?? 'stack';
	app.flame.update({ by, weight: (q.get('weight') ?? usualWeight(by)) === 'ns' ? 'ns' : 'goroutines', goid: of > 0 ? of : null,
		search: q.get('find') ?? '', path: (q.get('at') ?? '').split(';').filter(Boolean) });
	app.ranged.update({ by: RANGE_BYS.find((b) => b === q.get('rby')) ?? 'state', filter: q.get('rfilter') ?? '', ...keptOf(q.get('b') ?? '') });
	const pair = (q.get('compare') ?? '').split(',');
	if (pair.length === 2 && pair.every((id) => SOURCE.test(id.split(':')[0]) && /^[^:]*(:\d{1,4})?$/.test(id))) app.compare.set([pair[0], pair[1]]);
	const sort = q.get('sort') ?? 'id', group = q.get('group') ?? 'none';
	const ids = (name: string) => new Set((q.get(name) ?? '').split(',').map((text) => exactly(name, text)).filter((n) => n > 0));
	app.browse.update({
		filter: q.get('filter') ?? '',
		sort: Object.keys(SORTS).includes(sort) ? sort : 'id',
		descending: q.get('desc') === '1',
		group: Object.keys(GROUPS).includes(group) ? group : 'none',
		pins: ids('pins'),
		hidden: ids('hidden'),
		opened: new Set(q.getAll('open').filter((name) => name.split(':')[0] === group)),
	});
	const goid = exactly('g', q.get('g'));
	if (goid > 0) app.selected.set(goid);
	const times = (name: string) => {
		const [from, to] = (q.get(name) ?? '').split('-').map((text) => exactly(name, text));
		return to > from && from >= 0 ? { from, to } : null;
	};
	const range = times('range'), time = times('t');
	const number = (name: string) => Math.max(0, exactly(name, q.get(name)) || 0);
	const marks = q.getAll('mark').slice(0, MARKS_MAX).map((text): Mark => ({ t: exactly('mark', text.split(':')[0]), note: text.slice(text.indexOf(':') + 1).slice(0, NOTE_MAX) }))
		.filter((m) => Number.isFinite(m.t) && m.t >= 0 && m.note).sort((a, b) => a.t - b.t);
	app.link = { fixed: !!time, range, marks, head: number('head') || null, scroll: number('y') };
	return { place: time ? { t0: time.from, t1: time.to, source: app.source.get(), scroll: number('y') } : null };
}

// CPU time and bytes are looked at by how much, goroutines by how many.
export const usualWeight = (by: FlameChoice['by']): FlameChoice['weight'] => (by === 'cpu' || by === 'alloc' ? 'ns' : 'goroutines');

function keptOf(text: string): { kept: Kept; comparing: true } | null {
	const [, source, proc, from, to] = /^([^:]*):(\d{1,4}):(\d{1,19})-(\d{1,19})$/.exec(text) ?? [];
	return source && SOURCE.test(source) && Number(to) > Number(from) ? { kept: { source, proc: Number(proc), from: Number(from), to: Number(to) }, comparing: true } : null;
}

// `still`: of what is on screen now, though it follows the present.
function linkText(still = false): string {
	const q = new URLSearchParams();
	const b = app.browse.get(), v = current?.view, range = app.range.get();
	if (app.source.get() !== 'live') q.set('source', app.source.get());
	if (app.proc.get()) q.set('proc', String(app.proc.get()));
	if (app.view.get() !== 'timeline') q.set('view', app.view.get());
	if (app.view.get() === 'flame') {
		const f = app.flame.get();
		if (f.by !== 'stack') q.set('by', f.by);
		if (f.weight !== usualWeight(f.by)) q.set('weight', f.weight);
		if (f.goid) q.set('of', String(f.goid));
		if (f.search) q.set('find', f.search);
		if (f.path.length) q.set('at', f.path.join(';'));
	}
	if (app.view.get() === 'compare' && app.compare.get()[0]) q.set('compare', app.compare.get().join());
	if (b.filter) q.set('filter', b.filter);
	if (b.sort !== 'id') q.set('sort', b.sort);
	if (b.descending) q.set('desc', '1');
	if (b.group !== 'none') q.set('group', b.group);
	for (const name of ['pins', 'hidden'] as const) if ([...b[name]].some(tellable)) q.set(name, [...b[name]].filter(tellable).join());
	if (app.selected.get() !== null && tellable(app.selected.get()!)) q.set('g', String(app.selected.get()));
	if (range) q.set('range', `${Math.round(range.from)}-${Math.round(range.to)}`);
	const r = app.ranged.get();
	if (range && r.by !== 'state') q.set('rby', r.by);
	if (range && r.filter) q.set('rfilter', r.filter);
	if (range && r.kept && r.comparing) q.set('b', `${r.kept.source}:${r.kept.proc}:${Math.round(r.kept.from)}-${Math.round(r.kept.to)}`);
	for (const name of b.opened) if (name.startsWith(`${b.group}:`)) q.append('open', name);
	for (const mark of app.marks.get()) q.append('mark', `${mark.t}:${mark.note}`);
	if (app.playhead.get() !== null) q.set('head', String(Math.round(app.playhead.get()!)));
	if (v && (still || !app.follow.get()) && v.t1 > 0) {
		q.set('t', `${Math.max(0, Math.round(v.t0))}-${Math.round(v.t1)}`);
		if (v.scrollY) q.set('y', String(Math.round(v.scrollY)));
	}
	return q.toString();
}

const VIEW_MAX = 2047; // core/session/meta.h: view

// The same for a session that begins with the range and has nothing else.
export function viewOf(range: Range): string {
	const q = new URLSearchParams(linkText(true)), length = range.to - range.from;
	const pair = (name: string) => (q.get(name) ?? '').split('-').map((t) => Math.round(Math.min(Math.max(0, Number(t) - range.from), length)));
	const [a, b] = pair('t'), marks = q.getAll('mark').map((text) => [Number(text.split(':')[0]) - range.from, text.slice(text.indexOf(':'))] as const).filter(([t]) => t >= 0 && t <= length);
	for (const name of ['source', 'head', 'range', 'mark', 'rby', 'rfilter', 'b']) q.delete(name);
	q.set('t', b > a ? `${a}-${b}` : `0-${Math.round(length)}`);
	for (const [t, rest] of marks) q.append('mark', `${Math.round(t)}${rest}`);
	// What has no room in a session's metadata, the longest kinds first.
	for (const name of ['mark', 'open', 'hidden', 'pins', 'filter', 'at', 'find']) if (q.toString().length > VIEW_MAX) q.delete(name);
	return q.toString();
}

// The address of what is on screen, for somebody else.
export const linkNow = () => `${location.origin}${location.pathname}#${linkText(true)}`;

// While nothing can be told of what is looked at, as it is being opened: the address as it is, with that view.
function withView(view: string): string {
	const q = new URLSearchParams(location.hash.slice(1));
	if (view === 'timeline') q.delete('view');
	else q.set('view', view);
	return q.toString();
}

// An address that is put into the page's own tab is followed as one that a new tab opens: from the beginning. What is written here
// is no such change: replaceState tells nobody.
export function keepLink(): void {
	let leaving = false, ours = '';
	// Back and forth go through the views of what is looked at; to another source as a link to it does.
	addEventListener('popstate', (e) => {
		const q = new URLSearchParams(location.hash.slice(1)), view = VIEWS.find(([id]) => id === (e.state as { view?: string } | null)?.view)?.[0];
		if (!view || (q.get('source') ?? 'live') !== app.source.get() || Number(q.get('proc') ?? 0) !== app.proc.get()) return;
		ours = location.href;
		app.view.set(view);
	});
	app.view.subscribe(() => {
		const view = app.view.get();
		if ((history.state as { view?: string } | null)?.view !== view) history.pushState({ view }, '', `#${app.usable ? linkText() : withView(view)}`);
	});
	history.replaceState({ view: app.view.get() }, '');
	addEventListener('hashchange', (e) => {
		if (e.newURL === ours) return void (ours = '');
		leaving = true;
		history.replaceState(null, '', e.newURL); // ours may have been written over it meanwhile
		location.reload();
	});
	setInterval(() => {
		if (!app.usable || leaving) return;
		const text = linkText();
		if (text !== location.hash.slice(1)) history.replaceState(history.state, '', text ? `#${text}` : location.pathname);
	}, 500);
}
