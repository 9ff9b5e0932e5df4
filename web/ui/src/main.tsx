// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The page: header, one of the views, the goroutine's panel, dialogs; and the keys that work anywhere.
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { app, VIEWS, type Why } from './app';
import { Absent } from './absent';
import { Banner } from './banner';
import { Compare } from './compare';
import { Flame } from './flame';
import { Insights } from './insights';
import { Leaks } from './leaks';
import { MemoryView } from './memory';
import { Overview } from './overview';
import { goidText } from './format';
import { goTo } from './goto';
import { Panel } from './panel';
import { closeList, listOpen } from './problems';
import { keepLink, readLink } from './permalink';
import { togglePlay } from './replay';
import { Sessions } from './sessions';
import { Dialogs } from './settings';
import { useValue } from './store';
import { CLOCKS } from './walltime';
import { current } from './timeline/scene';
import { TimelineView } from './timeline/timeline';
import { focusFilter, Header, TimelineBar } from './toolbar';
import { Whole } from './whole';

const CLOCK_ORDER = ['since', 'local', 'utc'] as const;
const EDGES = ['none', 'selected', 'visible'] as const;

function onKey(e: KeyboardEvent): void {
	const target = e.target as HTMLElement;
	if (app.dialog.get()) return;
	if (target.closest('input:not([type=checkbox]), select, textarea, dialog') && e.key !== 'Escape') return;
	if (e.key === ' ' && target.closest('button, input')) return;
	if (app.view.get() === 'timeline' && current?.onKey(e)) return void e.preventDefault();
	if (e.ctrlKey || e.metaKey || e.altKey) return;
	const goid = app.selected.get();
	const key = e.key.toLowerCase();
	if (key === '/') focusFilter();
	else if (key === '?') app.dialog.set('help');
	else if (key === 'g') app.dialog.set('goto');
	else if (key === 'i') app.dialog.set('whole');
	else if (key === 'l') say(app.canFollow ? `Follow: ${toggle(!app.follow.get(), (on) => app.follow.set(on))}` : 'There is no present to follow');
	else if (key === ' ') {
		togglePlay();
		say(app.source.get() === 'live' ? (app.paused.get() ? 'Held' : 'Goes on') : app.speed.get() ? 'Plays' : 'Held');
	} else if ('phu'.includes(key) && goid === null) say('No goroutine is chosen');
	else if (key === 'p') {
		app.toggle('pins', goid!);
		say(`Goroutine ${goidText(goid!)} is ${app.browse.get().pins.has(goid!) ? '' : 'no longer '}pinned`);
	} else if (key === 'h') {
		app.toggle('hidden', goid!);
		say(`Goroutine ${goidText(goid!)} is ${app.browse.get().hidden.has(goid!) ? 'hidden' : 'shown'}`);
	} else if (key === 'r' || key === 'b') askWhy(key === 'r' ? 'ran' : 'blame', goid);
	else if (key === 'u') goToWaker(goid!);
	else if (key === 'c') {
		app.set({ rowHeight: app.settings.get().rowHeight === 12 ? 20 : 12 });
		say(`Rows: ${app.settings.get().rowHeight === 12 ? 'compact' : 'normal'}`);
	} else if (key === 'e') {
		app.set({ edges: EDGES[(EDGES.indexOf(app.settings.get().edges) + 1) % 3] });
		say(`Arrows: ${{ none: 'none', selected: 'of the chosen goroutine', visible: 'all on screen' }[app.settings.get().edges]}`);
	} else if (key === 't') {
		app.set({ clock: CLOCK_ORDER[(CLOCK_ORDER.indexOf(app.settings.get().clock) + 1) % 3] });
		say(`Clock: ${CLOCKS[app.settings.get().clock][0]}`);
	}
	else if (key === 'escape') escape();
	else if (key >= '1' && key <= String(VIEWS.length)) app.view.set(VIEWS[Number(key) - 1][0]);
	else return;
	e.preventDefault();
}

const say = (text: string) => app.say(text);
const toggle = (on: boolean, set: (on: boolean) => void) => {
	set(on);
	return on ? 'on' : 'off';
};

// Of the goroutine and the time at the pointer, else of the chosen one.
function askWhy(what: Why['what'], chosen: number | null): void {
	const pointed = app.view.get() === 'timeline' ? current?.pointed() : null, goid = pointed?.goid ?? chosen;
	if (goid === null || goid === undefined) return say('No goroutine is chosen, and none is at the pointer');
	app.selected.set(goid);
	app.why.set({ goid, what, at: pointed ? pointed.time + app.origin : null });
}

// Who made it runnable last.
function goToWaker(goid: number): void {
	const by = app.table?.rows.get(goid)?.wokenBy;
	if (by && app.table?.rows.has(by)) goTo(by);
	else say('Who woke it is not known');
}

function escape(): void {
	if (app.error.get()) app.error.set('');
	else if (listOpen.get()) closeList();
	else if (app.range.get()) app.range.set(null);
	else if (app.selected.get() !== null) app.selected.set(null);
	else if (app.browse.get().filter) app.browse.update({ filter: '' });
}

const link = readLink();

function Said() {
	return <div class="said" role="status">{useValue(app.said)}</div>;
}

function Page() {
	const view = useValue(app.view);
	const error = useValue(app.error);
	const proc = useValue(app.proc);
	const dialog = useValue(app.dialog);
	const absent = useValue(app.absent), elsewhere = view === 'sessions' || view === 'compare'; // need no source
	useValue(app.look); // colours are everywhere
	useEffect(() => {
		document.addEventListener('keydown', onKey);
		return () => document.removeEventListener('keydown', onKey);
	}, []);
	return <>
		<Header />
		<Banner />
		{error ? <div class="error" role="alert">{error}<button class="icon" aria-label="Close" onClick={() => app.error.set('')}>✕</button></div> : null}
		{view === 'timeline' && !absent ? <><TimelineBar /><Insights /></> : null}
		<main>
			<div class="view">{absent && !elsewhere ? <Absent of={absent} /> : <>
				{view === 'timeline' ? <TimelineView key={proc} place={link.place} /> : null}
				{view === 'memory' ? <MemoryView /> : null}
				{view === 'overview' ? <Overview /> : null}
				{view === 'flame' ? <Flame /> : null}
				{view === 'leaks' ? <Leaks /> : null}
				{view === 'sessions' ? <Sessions /> : null}
				{view === 'compare' ? <Compare /> : null}
			</>}</div>
			<Panel />
		</main>
		<Said />
		<Dialogs />
		{dialog === 'whole' ? <Whole /> : null}
	</>;
}

render(<Page />, document.getElementById('app')!);
keepLink();
void app.start();
