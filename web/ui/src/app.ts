// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The state of the UI and what keeps it up to date. Components follow the values; nothing else
// talks to the server on its own but tiles and panels.
import { abandon, address, ApiError, setProcess, getConfig, getInfo, getStatus, goidList, post } from './api';
import { lookOf, type Look } from './colors';
import { rulerTime } from './format';
import { Pace } from './pace';
import { buildList, GROUPS, RowTable, SORTS, type List } from './rows';
import { Value } from './store';
import { TileCache } from './tiles';
import { dayOf, dayTime, type Day } from './walltime';
import { lengthOf, processOf, settingsOf, UI_DEFAULTS, type Config, type Info, type Row, type Status, type Tick, type UiSettings } from './types';

// What a source is called: a session by its id.
export const SOURCE = /^(live|[0-9a-f-]{36})$/;

export type ViewName = 'timeline' | 'memory' | 'overview' | 'flame' | 'leaks' | 'sessions' | 'compare';
export const VIEWS: [ViewName, string][] = [['timeline', 'Timeline'], ['memory', 'Memory'],
	['overview', 'Overview'], ['flame', 'Flame'], ['leaks', 'Leaks'], ['sessions', 'Sessions'], ['compare', 'Compare']];

interface Browse {
	filter: string;
	sort: string;
	descending: boolean;
	group: string;
	pins: ReadonlySet<number>;
	hidden: ReadonlySet<number>;
	opened: ReadonlySet<string>; // groups
}

// What the flame graph shows: `path` is the names down to the node it is zoomed to.
export const FLAME_BYS = ['stack', 'origin', 'cpu', 'alloc'] as const;
export interface FlameChoice {
	by: (typeof FLAME_BYS)[number];
	weight: 'goroutines' | 'ns'; // how many, or how much: of what the graph is
	search: string;
	path: string[];
	goid: number | null; // cpu and alloc: of this one alone
}

// How the selected time is looked at: by what, with a filter of its own (was: is of it), and a time of this or
// another source that is kept to compare with.
export const RANGE_BYS = ['state', 'reason', 'function', 'waker', 'site', 'caller'] as const;
export type RangeBy = (typeof RANGE_BYS)[number];
export interface Kept {
	source: string;
	proc: number;
	from: number; // ns on the source's own clock, as the server has it
	to: number;
}
interface RangeChoice {
	by: RangeBy;
	filter: string;
	kept: Kept | null;
	comparing: boolean;
}

export type MemoryBy = 'goroutine' | 'type' | 'function' | 'call site';

// A moment that somebody has a word on.
export interface Mark {
	t: number; // ns since the beginning
	note: string;
}

// A question about a goroutine that its panel answers: why it waited, or who ran while it could have.
export interface Why {
	goid: number;
	what: 'blame' | 'ran';
	at: number | null; // at which time, as the server has it; null: now, or the longest
}

// All who waited for one thing: a row of its own above the others. Times as the server has them.
export interface Crowd {
	goid: number; // who was asked about, and his wait
	begin: number;
	end: number;
	now: number; // who waits still, does until then
	waiters: { goid: number; begin: number; end: number }[];
	kind: number; // of waiting
}

export interface Range {
	from: number;
	to: number;
}

// What an address named that is not here, and why it is not.
export interface Absent {
	source: string;
	proc: number | null; // one of its processes; null: all of it
	why: string;
}

type Connection = 'connecting' | 'connected' | 'lost';

const ROWS_EVERY_MS = 500;
const LIST_EVERY_MS = 250;
const CHANGED_EVERY_MS = 2000; // looks whether a recorded session was written to
const FIGURES_EVERY_MS = 480;
export const NOTE_MAX = 120, MARKS_MAX = 50;
const RECONNECT_MS = 5000; // at most from one try to the next
const COUNTS_EVERY_MS = 600;
const SILENT_TIMES = 8; // looks, a second apart; ten ticks a second come from a server that is there
const AHEAD_MS = 2000; // by no more is the present taken to go on after the last tick

const EMPTY_LIST: List = { entries: [], matched: [], total: 0, error: '', index: () => -1 };

function sameContent(a: Status, b: Status): boolean {
	const content = (s: Status) => JSON.stringify([s.state, s.last_event_ns, s.events, s.lost, s.losses, s.in_doubt, s.states, s.processes]);
	return content(a) === content(b);
}

// How things look is each person's own: the browser keeps it. Where it may not, it holds until the page closes.
const LOOK = 'xgotopfs.look';

function ownLook(): Partial<UiSettings> {
	try {
		return settingsOf(JSON.parse(localStorage.getItem(LOOK) ?? '{}') as object);
	} catch {
		return {};
	}
}

function keepLook(look: UiSettings): void {
	try {
		localStorage.setItem(LOOK, JSON.stringify(look));
	} catch { /* not allowed to */ }
}

const SAID_MS = 1800;

class App {
	config = new Value<Config>({ nanoseconds_per_pixel: 1e6, state_colors: {}, type_colors: {}, ui: {} });
	settings = new Value<UiSettings>(UI_DEFAULTS);
	look = new Value<Look>(lookOf(this.config.get(), UI_DEFAULTS, false));
	info = new Value<Info | null>(null);
	view = new Value<ViewName>('timeline');
	source = new Value('live');
	proc = new Value(0); // which of its processes
	absent = new Value<Absent | null>(null); // told in the place of the views: nothing else is shown instead
	status = new Value<Status | null>(null);
	tick = new Value<Tick | null>(null); // ten a second
	figures = new Value<Tick | null>(null); // the same for a person to read: two a second
	connection = new Value<Connection>('connecting');
	lostAt = new Value(0); // since when there is no connection, ms as Date has them; 0: there is, or never was
	refused = new Value(false); // the server answers, but not to us: another one, with another token
	browse = new Value<Browse>({ filter: '', sort: 'id', descending: false, group: 'none',
		pins: new Set(), hidden: new Set(), opened: new Set() });
	list = new Value<List>(EMPTY_LIST);
	selected = new Value<number | null>(null);
	opener: HTMLElement | null = null; // whose key opened the panel that is to have the focus, and gives it back
	range = new Value<Range | null>(null);
	why = new Value<Why | null>(null);
	crowd = new Value<Crowd | null>(null);
	marks = new Value<Mark[]>([]);
	marked = new Value<Mark | null>(null); // the one that the dialog is about; its note '' is a new one
	follow = new Value(true);
	paused = new Value(false);
	error = new Value('');
	dialog = new Value<'' | 'settings' | 'help' | 'goto' | 'mark' | 'whole'>('');
	scale = new Value(8e6); // of the timeline as last drawn, ns a pixel
	labels = new Value(UI_DEFAULTS.labels); // width of its label column as last drawn, px
	theme = new Value(0); // counts changes of what colours look like
	memoryBy = new Value<MemoryBy>('goroutine');
	flame = new Value<FlameChoice>({ by: 'stack', weight: 'goroutines', search: '', path: [], goid: null });
	ranged = new Value<RangeChoice>({ by: 'state', filter: '', kept: null, comparing: false });
	compare = new Value<[string, string]>(['', '']); // two of 'live' and sessions; ":2" behind: the third process
	playhead = new Value<number | null>(null); // a recorded session's replay position
	speed = new Value(0); // 0: not playing

	link: { fixed: boolean; range: Range | null; marks: Mark[]; head: number | null; scroll: number } | null = null; // from the address, for the first source
	jump: Range | null = null; // where the timeline is to go when it is shown next
	window: () => [number, number] | null = () => null; // the timeline's visible time
	table: RowTable | null = null;
	tiles: TileCache | null = null;
	private tickAt = 0;
	private figuresAt = -Infinity;
	said = new Value(''); // what a key did, for a moment
	private saidTimer = 0;
	private frozenNow = 0;
	private attempts = 0;
	private timers: number[] = [];
	private loadNumber = 0;

	async start(): Promise<void> {
		this.viewBefore = this.view.get();
		this.view.subscribe(() => this.viewChanged());
		try {
			const config = await getConfig();
			this.config.set(config);
			this.settings.set({ ...UI_DEFAULTS, ...settingsOf(config.ui), ...ownLook() }); // the server's where the browser has none
			this.info.set(await getInfo());
		} catch (e) {
			this.fail(e);
		}
		this.applyTheme();
		this.config.subscribe(() => this.applyTheme());
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.applyTheme());
		this.browse.subscribe(() => this.rebuild());
		this.settings.subscribe(() => this.rebuild());
		// Another tab of the same person: how things look is one choice in all of them.
		addEventListener('storage', (e) => {
			if (e.key !== LOOK || !e.newValue) return;
			this.settings.update(ownLook());
			this.applyTheme();
		});
		this.connect();
		await this.open(this.source.get(), this.proc.get());
		this.timers.push(setInterval(() => void this.poll(), ROWS_EVERY_MS));
		this.timers.push(setInterval(() => this.rebuildIfChanged(), LIST_EVERY_MS));
	}

	say(text: string): void {
		this.said.set(text);
		clearTimeout(this.saidTimer);
		// Longer for who has more to read.
		this.saidTimer = setTimeout(() => this.said.set(''), Math.max(SAID_MS, 50 * text.length)) as unknown as number;
	}

	fail(e: unknown): void {
		this.error.set(e instanceof Error ? e.message : String(e));
	}

	// --- time ---------------------------------------------------------------------------------

	get origin(): number {
		return this.status.get()?.first_ns ?? 0;
	}

	// The process that is looked at has ended, or all have: nothing of it gets any older.
	get over(): boolean {
		const s = this.status.get();
		return !!s && s.id === 'live' && (s.ended || processOf(s, this.proc.get())?.state === 'exited');
	}

	get isLive(): boolean {
		return this.status.get()?.id === 'live' && !this.over;
	}

	// The present goes on, and we see it.
	get canFollow(): boolean {
		return this.isLive && !this.lostAt.get();
	}

	// A recorded session of which the server still reads the rest.
	get growing(): boolean {
		const s = this.status.get();
		return !!s && s.state === 'loading' && !!s.processes;
	}

	get usable(): boolean {
		return this.status.get()?.state === 'ready' || this.growing;
	}

	// More may come.
	get moves(): boolean {
		return this.isLive || this.growing;
	}

	// The present, ns since the origin.
	now(): number {
		const s = this.status.get();
		if (!s) return 0;
		if (this.paused.get()) return this.frozenNow;
		if (this.playhead.get() !== null) return this.playhead.get()!;
		const tick = this.tick.get();
		if (s.id !== 'live' || this.over || !tick) return lengthOf(s);
		// A replay is where its last event is.
		const moving = s.live && !tick.ended && this.connection.get() === 'connected';
		return lengthOf({ first_ns: s.first_ns, now_ns: tick.now }) + (moving ? Math.min(AHEAD_MS, performance.now() - this.tickAt) * 1e6 : 0);
	}

	// The end of what there is, whatever the replay's position.
	end(): number {
		const s = this.status.get();
		return s && s.id !== 'live' ? lengthOf(s) : this.now();
	}

	wallTime(t: number): number {
		const s = this.status.get();
		return s ? (t + s.first_ns + s.wall_offset_ns) / 1e6 : 0;
	}

	// Of a moment, by the clock of the settings; `step`: as exact as tells multiples of it apart.
	timeText(t: number, step = 1e3): string {
		const clock = this.settings.get().clock;
		return clock === 'since' ? rulerTime(t, step) : dayTime(t, step, this.day());
	}

	day(clock = this.settings.get().clock): Day {
		return dayOf(this.wallTime(0), clock);
	}

	// Selects time in another view: the timeline shows it.
	showRange(range: Range): void {
		this.range.set(range);
		this.follow.set(false);
		this.jump = range;
		this.view.set('timeline');
	}

	setMark(mark: Mark, note: string): void {
		const others = this.marks.get().filter((m) => m.t !== mark.t);
		if (note && others.length >= MARKS_MAX) return this.say(`A link keeps ${MARKS_MAX} marks: remove one first`);
		this.marks.set(note ? [...others, { t: mark.t, note: note.slice(0, NOTE_MAX) }].sort((a, b) => a.t - b.t) : others);
	}

	setPaused(paused: boolean): void {
		if (paused) this.frozenNow = this.now();
		this.paused.set(paused);
	}

	// A goroutine's panel takes room that only the timeline has made for it: elsewhere a click on one opens it
	// again, and so does coming back.
	private leftOpen: number | null = null;
	private viewBefore: ViewName = 'timeline';

	private viewChanged(): void {
		const view = this.view.get(), goid = this.selected.get();
		if (this.viewBefore === 'timeline') this.leftOpen = goid;
		this.viewBefore = view;
		if (view !== 'timeline') this.selected.set(null);
		else if (goid === null) this.selected.set(this.leftOpen);
	}

	// --- source ----------------------------------------------------------------------------------

	// Another process of the same source: other goroutines, the same time.
	// Who chose a process looks at that one.
	private chose = false;

	choose(proc: number): void {
		if (proc === this.proc.get()) return;
		this.chose = true;
		this.selected.set(null);
		this.browse.update({ pins: new Set(), hidden: new Set() });
		void this.open(this.source.get(), proc);
	}

	async open(source: string, named?: number): Promise<void> {
		let proc = named ?? 0;
		const number = ++this.loadNumber;
		setProcess(proc);
		this.proc.set(proc);
		this.source.set(source);
		this.leftOpen = null;
		this.absent.set(null);
		this.status.set(null);
		this.table = this.tiles = null;
		this.list.set(EMPTY_LIST);
		this.playhead.set(null);
		this.speed.set(0);
		this.paused.set(false);
		this.range.set(null);
		this.why.set(null);
		this.crowd.set(null);
		this.marks.set([]);
		if (!SOURCE.test(source)) return this.lacks({ source, proc: null, why: 'that is the name of no session' });
		for (;;) {
			let status: Status;
			try {
				status = await getStatus(source, 0);
				// A link may name one that is not there.
				if (named === undefined && status.root) setProcess((proc = status.root)), this.proc.set(proc);
				if (number !== this.loadNumber) return;
				if (status.state === 'ready' && proc && !processOf(status, proc)) {
					// Of an address that tells of it this is said; else there is another one to look at: a new target, or a replay went back.
					return this.link && this.tells(this.link) ? this.lacks({ source, proc, why: 'there is none of that number' }) : void this.open(source);
				}
				// While a session is read, its later processes come later.
				if (proc && status.processes) status = processOf(status, proc) ? await getStatus(source, proc) : { ...status, processes: undefined! };
			} catch (e) {
				if (number !== this.loadNumber) return;
				if (source !== 'live' && e instanceof ApiError && e.status) return this.lacks({ source, proc: null, why: e.message });
				this.fail(e);
				await new Promise((resolve) => setTimeout(resolve, 2000));
				continue;
			}
			if (number !== this.loadNumber) return;
			if (status.state === 'failed') {
				return this.lacks({ source, proc: null, why: status.error ?? 'it cannot be read' });
			}
			// Nothing has happened yet, or it is being read.
			if (status.processes && (status.first_ns || (status.state === 'ready' && source !== 'live'))) {
				this.begin(status);
				return;
			}
			this.status.set({ ...status, first_ns: 0, now_ns: 0 });
			await new Promise((resolve) => setTimeout(resolve, source === 'live' ? 200 : 50));
			if (number !== this.loadNumber) return;
		}
	}

	private tells(link: NonNullable<App['link']>): boolean {
		return this.selected.get() !== null || !!link.range || link.fixed || link.marks.length > 0 || this.browse.get().pins.size > 0;
	}

	// What was chosen and selected there means nothing anywhere else.
	private lacks(absent: Absent): void {
		this.link = null;
		this.selected.set(null);
		this.browse.update({ pins: new Set(), hidden: new Set(), opened: new Set() });
		this.status.set(null);
		this.absent.set(absent);
	}

	private begin(status: Status): void {
		this.table = new RowTable(status.id, status.first_ns);
		this.tiles = new TileCache(status.id, status.first_ns, (name) => this.groupQuery(name));
		this.status.set(status);
		this.follow.set(status.id === 'live' && !this.link?.fixed);
		if (this.link?.range) this.range.set(this.link.range);
		if (this.link?.marks) this.marks.set(this.link.marks);
		if (this.link?.head && status.id !== 'live') this.playhead.set(this.link.head);
		this.link = null;
		void this.poll(true);
	}

	// Which goroutines a group has: those that never change group by name, others one by one.
	private groupQuery(name: string): string {
		const { group, filter } = this.browse.get();
		if (group === 'func' || group === 'site')
			return `by=${group}&key=${encodeURIComponent(name.startsWith('(') && name.endsWith(' unknown)') ? '' : name)}` +
				`&filter=${encodeURIComponent(filter)}`;
		for (const e of this.list.get().entries)
			if (e.group?.key === name) return `goids=${goidList(e.group.rows.slice(0, 1000).map((r) => r.goid)) || '0'}`;
		return 'goids=0';
	}

	private polling = false;
	private polledAt = 0;

	private async poll(first = false): Promise<void> {
		const table = this.table;
		if (!table || this.polling || document.hidden) return;
		// Many goroutines are read less often: the tiles are fresh anyway.
		const pause = table.rows.size > 4000 ? 900 : 0;
		if (!first && performance.now() - this.polledAt < pause) return;
		this.polledAt = performance.now();
		const rows = first || this.moves || !table.complete;
		// Of a process that has ended nothing is asked again; but there may be others, or a replay goes back.
		const others = table.source === 'live' && !(this.status.get()?.ended && this.tick.get()?.ended !== false);
		if (!first && this.paused.get() && table.complete) return;
		this.polling = true;
		try {
			if (!rows && !others && !(await this.hasChanged(table))) return;
			if (rows || !others) await this.meanwhile(table, table.refresh(() => { if (table === this.table) this.rebuild(); }));
			if (table.source === 'live') {
				const status = await getStatus('live');
				// It executed another program, and is that now.
				if (table === this.table && processOf(status, this.proc.get())?.executed !== undefined && status.root > this.proc.get() && processOf(status, status.root)?.pid === processOf(status, this.proc.get())?.pid && !this.chose)
					return void this.open('live', status.root);
				if (table === this.table && status.first_ns === table.origin) await this.advance(table, status);
				else if (table === this.table) void this.open('live', this.proc.get()); // a replay went back, or a new target
			} else if (this.growing) {
				const status = await getStatus(table.source);
				if (status.state === 'ready') { // the last of it
					if (table === this.table && this.tiles) this.tiles.settledAt = performance.now();
					table.forget();
					await table.refresh();
				}
				if (status.state === 'failed') this.fail(new Error(`session ${table.source}: ${status.error}`));
				if (table === this.table) this.status.set({ ...status, first_ns: table.origin });
			}
		} catch (e) {
			if (table === this.table && e instanceof ApiError && e.status) this.fail(e);
		} finally {
			this.polling = false;
		}
		if (table === this.table && first) this.rebuild();
		else this.rebuildIfChanged();
	}

	// The rows of many take seconds to come: how many there are in each state is said meanwhile.
	private async meanwhile(table: RowTable, rows: Promise<void>): Promise<void> {
		const come = rows.then(() => true);
		while (!(await Promise.race([come, new Promise<boolean>((then) => setTimeout(then, COUNTS_EVERY_MS, false))]))) {
			if (table !== this.table || table.source !== 'live') return rows;
			const now = await getStatus('live').catch(() => null), was = this.status.get(); // who asks next says why
			if (now && was && table === this.table && now.first_ns === table.origin) this.status.set({ ...was, states: now.states });
		}
	}

	// What the rows were asked for is older than the status; of one that ended in between, the last of it.
	private async advance(table: RowTable, status: Status): Promise<void> {
		const moved = this.isLive;
		this.status.set(status);
		if (!moved || this.isLive) return;
		if (this.tiles) this.tiles.settledAt = performance.now();
		table.forget();
		await table.refresh();
	}

	private lookedAt = 0;

	// A recorded session whose recorder goes on, or that was mended: then it is one that is being read,
	// until poll() has the rest of it.
	private async hasChanged(table: RowTable): Promise<boolean> {
		const was = this.status.get();
		if (table.source === 'live' || !was || this.paused.get() || performance.now() - this.lookedAt < CHANGED_EVERY_MS) return false;
		this.lookedAt = performance.now();
		const status = await getStatus(table.source);
		if (table !== this.table || sameContent(was, status)) return false;
		if (status.state === 'failed') this.fail(new Error(`session ${table.source}: ${status.error}`));
		if (!status.processes) return false; // it is being loaded anew
		if (status.first_ns !== table.origin) void this.open(table.source, this.proc.get());
		else this.status.set({ ...status, state: 'loading' });
		return status.first_ns === table.origin;
	}

	private listPace = new Pace(LIST_EVERY_MS - 10, 1 / 40);
	private builtVersion = -1;
	private builtAt = 0;
	private builtWindow = '';

	private windowKey(): string {
		const w = this.settings.get().exited === 'screen' ? this.window() : null;
		const step = w ? 2 ** Math.round(Math.log2((w[1] - w[0]) / 8)) : 1;
		return w ? `${step}/${Math.round(w[0] / step)}` : '';
	}

	// The list has the rows of the time that is looked at now.
	get listIsOfWindow(): boolean {
		return this.windowKey() === this.builtWindow;
	}

	private rebuildIfChanged(): void {
		// After a burst the list is short again, and not made at the pace of a long one.
		if (!this.table || document.hidden || !(this.listPace.due || this.table.gone > this.table.rows.size)) return;
		const playing = this.playhead.get() !== null;
		const moves = SORTS[this.browse.get().sort]?.desc && this.isLive && performance.now() - this.builtAt > 1000;
		if (this.table.version !== this.builtVersion || playing || moves ||
			!this.listIsOfWindow) this.rebuild();
	}

	rebuild(): void {
		if (!this.table) return;
		const table = this.table;
		this.builtVersion = table.version;
		table.gone = 0;
		this.builtAt = performance.now();
		this.listPace.run(() => this.list.set(buildList(table, { ...this.browse.get(), settings: this.settings.get(),
			window: this.window() }, this.now())));
		this.builtWindow = this.windowKey();
	}

	// --- the socket: ten ticks a second -----------------------------------------------------------

	private connect(): void {
		const socket = new WebSocket(address('/ws').replace(/^http/, 'ws'), 'xgotop.ticks');
		let silent = 0;
		// A machine that went away, or a server that was stopped, closes nothing. Counted in looks: a page that stood still itself
		// has looked once, and then hears all that came meanwhile.
		const watch = setInterval(() => {
			if (++silent < SILENT_TIMES || document.hidden) return;
			gone();
			socket.close();
		}, 1000);
		socket.onopen = () => {
			silent = 0;
			this.attempts = 0;
			this.connection.set('connected');
			this.lostAt.set(0);
			this.refused.set(false);
		};
		socket.onmessage = (message) => {
			const tick = JSON.parse(message.data as string) as Tick, shown = this.figures.get();
			silent = 0;
			this.tickAt = performance.now();
			this.tick.set(tick);
			if (this.tickAt - this.figuresAt < FIGURES_EVERY_MS && shown && shown.ended === tick.ended) return;
			this.figuresAt = this.tickAt;
			this.figures.set(tick);
		};
		const gone = () => {
			socket.onopen = socket.onmessage = socket.onclose = null;
			clearInterval(watch);
			// Of a way that has no sockets, through a proxy perhaps, the answers are still to come.
			if (this.connection.get() === 'connected') {
				this.lostAt.set(Date.now());
				abandon();
			}
			this.connection.set(this.attempts < 10 ? 'connecting' : 'lost');
			this.figures.set(null); // rates of then are none of now
			this.figuresAt = -Infinity;
			const wait = Math.min(RECONNECT_MS, 250 * 2 ** this.attempts++);
			setTimeout(() => this.connect(), wait);
			if (this.attempts > 1) getInfo().catch((e) => this.refused.set(e instanceof ApiError && e.status === 401));
		};
		socket.onclose = gone;
	}

	// --- settings ----------------------------------------------------------------------------------

	set(change: Partial<UiSettings>): void {
		this.settings.update(change);
		if ('theme' in change || 'palette' in change) this.applyTheme();
		keepLook(this.settings.get());
	}

	async setConfig(change: Partial<Config>): Promise<void> {
		try {
			const got = await post<Config>('/api/config', change);
			this.config.set(got);
			this.tellNotKept(got);
		} catch (e) {
			this.fail(e);
		}
	}

	private toldNotKept = false;

	// They hold until the server ends. Once is enough to hear it.
	private tellNotKept(config: Config): void {
		if (config.not_kept && !this.toldNotKept) this.fail(new Error(`settings are not kept: ${config.not_kept}`));
		this.toldNotKept = !!config.not_kept;
	}

	private applyTheme(): void {
		const theme = this.settings.get().theme;
		const dark = theme === 'dark' || theme === 'system' &&
			matchMedia('(prefers-color-scheme: dark)').matches;
		document.documentElement.dataset.theme = dark ? 'dark' : 'light';
		this.look.set(lookOf(this.config.get(), this.settings.get(), dark));
		this.theme.set(this.theme.get() + 1);
	}

	toggle(which: 'pins' | 'hidden', goid: number): void {
		const next = new Set(this.browse.get()[which]);
		if (!next.delete(goid)) next.add(goid);
		this.browse.update({ [which]: next });
	}

	toggleGroup(key: string): void {
		const name = `${this.browse.get().group}:${key}`;
		const next = new Set(this.browse.get().opened);
		if (!next.delete(name)) next.add(name);
		this.browse.update({ opened: next });
	}

	// The group that a goroutine is in is opened, so that it has a row.
	openGroupOf(row: Row): void {
		const { group, opened } = this.browse.get(), name = `${group}:${GROUPS[group].key(row)}`;
		if (group !== 'none' && !opened.has(name)) this.browse.update({ opened: new Set([...opened, name]) });
	}
}

export const app = new App();
