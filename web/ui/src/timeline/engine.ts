// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One canvas: labels, ruler, rows. Draws a frame when something changed; asks for the tiles that a
// frame missed. paint.ts has the drawing of single things, input.ts what the user does.
import { FOUND, LEVEL_BASE, LEVEL_MAX, NONE, RUNNABLE, RUNNING, SERIES_LEVEL_MIN, SYSCALL, TILE_BUCKETS, TILE_SHIFT, UNKNOWN, WAITING, type Stay } from 'contract';
import { app } from '../app';
import { at as url, getEdges, getJson, getSeries, goidList, int, tellable } from '../api';
import { palette, type Palette } from '../colors';
import { Latest } from '../latest';
import { firstAt, type Lane } from '../lanes';
import { Pace } from '../pace';
import type { Entry, Group } from '../rows';
import { cellEnd, lookUp, TileCache, type RowTile, type Wanted } from '../tiles';
import { sum, type Edge, type Row, type Series } from '../types';
import { Frames } from './frames';
import { Labels } from './labels';
import { drawChosen, drawEdges, drawGrid, drawLoss, drawMarks, drawRange, drawRuler, drawSpanTexts, drawTrimmed, drawUntold, SPAN_TEXT_PX } from './paint';
import { RULER, type Box, type Hit, type Scene, type Shown } from './scene';
import { stateHeight } from './strip';
import { Textures } from './texture';
import { cut, Viewport } from './viewport';
import { shownAs, stateOf } from '../waitkind';

const FALLBACK_LEVELS = 14;
const FIRST_SPAN = 10e9; // of what is live, unless the settings say otherwise
const UNASKED_MS = 95; // ten pictures a second of what moves by itself, as the ticks come,
const UNASKED_SHARE = 1 / 24; // or fewer where this is not enough time for them
const SLOWEST_MS = 1000;
const WIDE_PX = 8;
const LIFE_PX = 24; // of a lane: what is narrower is one block, and no tile is asked for
const LABELS_MIN = 60, LABELS_NARROW = 112, LABELS_USUAL = 220;
const STAYS_PAUSE_MS = 150, STAYS_EVERY_NS = 1e9, STAYS_MOST = 1000, STAYS_REST = 20;
const FORGOTTEN = Infinity; // "known" of a row whose cells are no longer kept

// Tiles that a frame lacks, by level and index.
type Wishes = Map<string, Wanted>;

function wish(wishes: Wishes, level: number, index: number, id: number | string): void {
	const key = `${level}/${index}`;
	const wanted = wishes.get(key);
	if (!wanted) wishes.set(key, { level, index, ids: [id] });
	else if (!wanted.ids.includes(id)) wanted.ids.push(id);
}

interface Fitted { t0: number; scale: number }

// What was looked at when the timeline was left for another view; it comes back as it was.
let left: { name: string; view: Viewport; fitted: Fitted | null; opening: number } | null = null;

// Which time and rows are meant: none before the first time of a source is known.
function sourceName(): string {
	const s = app.status.get();
	return s && app.usable ? `${s.id}/${app.proc.get()}/${s.first_ns}` : '';
}

// Of the label column, on a canvas of `w` px: as it was dragged to, within reason.
const labelWidth = (w: number, wanted: number) =>
	Math.round(Math.min(Math.max(LABELS_MIN, w < 600 && wanted === LABELS_USUAL ? LABELS_NARROW : wanted), w * 0.6));

export class Timeline implements Scene, Shown {
	readonly view: Viewport;
	readonly textures = new Textures();
	private beside = new Labels();
	colors!: Palette;
	labels = 220; // width of the label column
	hover: Hit | null = null;
	rangeDraft: { from: number; to: number } | null = null;
	zoomBox: { x0: number; x1: number } | null = null;
	onPaint: () => void = () => {};
	onHover: () => void = () => {}; // what is under the pointer may be another thing now
	onKey: (e: KeyboardEvent) => boolean = () => false;
	private ctx: CanvasRenderingContext2D;
	private loop = new Frames(() => this.frame());
	private pace = new Pace(UNASKED_MS, UNASKED_SHARE);
	private unsubscribe: (() => void)[] = [];
	private observer: ResizeObserver;
	private placed: string;

	constructor(readonly canvas: HTMLCanvasElement) {
		const back = left && left.name === sourceName() ? left : null;
		this.view = back?.view ?? new Viewport();
		this.fitted = back?.fitted ?? null;
		this.opening = back?.opening ?? 0;
		this.placed = back?.name ?? '';
		this.ctx = canvas.getContext('2d', { alpha: false })!;
		const redraw = () => this.redraw();
		for (const value of [app.selected, app.range, app.marks, app.follow, app.paused, app.theme,
			app.playhead, app.config])
			this.unsubscribe.push((value as { subscribe(fn: () => void): () => void }).subscribe(redraw));
		for (const value of [app.list, app.status])
			this.unsubscribe.push((value as { subscribe(fn: () => void): () => void }).subscribe(() => this.redrawSoon()));
		this.unsubscribe.push(app.settings.subscribe(() => this.resize()));
		this.unsubscribe.push(app.tick.subscribe(() => this.loop.after(this.pixelMs())));
		this.unsubscribe.push(app.theme.subscribe(() => this.recolor()));
		this.observer = new ResizeObserver(() => this.resize());
		this.observer.observe(canvas);
		app.window = () => [this.view.t0, this.view.t1];
		this.recolor();
		this.resize();
		this.place(); // before the first key moves it
		if (app.jump) {
			const pad = (app.jump.to - app.jump.from) / 4;
			this.view.goTo(app.jump.from - pad, app.jump.to + pad);
			app.jump = null;
		}
	}

	destroy(): void {
		left = { name: this.placed, view: this.view, fitted: this.fitted, opening: this.opening };
		app.window = () => null;
		this.loop.stop();
		this.observer.disconnect();
		for (const fn of this.unsubscribe) fn();
	}

	redraw(): void {
		this.loop.soon();
	}

	private redrawSoon(): void {
		this.loop.after(this.pace.interval);
	}

	private recolor(): void {
		this.colors = palette(app.look.get());
		this.redraw();
	}

	get dpr(): number {
		return Math.min(window.devicePixelRatio || 1, 3);
	}

	get rowHeight(): number {
		return app.settings.get().rowHeight;
	}

	private resize(): void {
		const { clientWidth: w, clientHeight: h } = this.canvas;
		this.labels = labelWidth(w, app.settings.get().labels);
		const t1 = this.view.t1;
		this.view.width = Math.max(50, w - this.labels);
		this.view.height = Math.max(50, h - RULER);
		if (app.follow.get()) this.view.t0 = t1 - this.view.width * this.view.scale;
		this.redraw();
	}

	// A canvas is empty, and black, from when its size is set until it is painted: that is one step.
	private size(): void {
		const { canvas, dpr } = this, w = Math.max(1, Math.round(canvas.clientWidth * dpr)), h = Math.max(1, Math.round(canvas.clientHeight * dpr));
		if (canvas.width !== w) canvas.width = w;
		if (canvas.height !== h) canvas.height = h;
	}

	// --- rows and places -----------------------------------------------------------------------

	get entries(): Entry[] {
		return app.list.get().entries;
	}

	// Where a time stands, device px.
	private px(time: number): number {
		return Math.round((this.labels + this.view.x(time)) * this.dpr);
	}

	private get left(): number {
		return Math.round(this.labels * this.dpr);
	}

	// What is in sight of [from, to), a px at least; null: nothing of it is.
	private inSight(from: number, to: number): { x: number; width: number } | null {
		return to < this.view.t0 || from >= this.view.t1 ? null : cut(this.px(from), this.px(to), this.left, this.canvas.width);
	}

	rowTop(i: number): number {
		return RULER + i * this.rowHeight - this.view.scrollY;
	}

	indexOf(goid: number): number {
		const row = app.table?.rows.get(goid);
		return row ? app.list.get().index(row) : -1;
	}

	// Of the lives in a lane the one at a time, or beside it by no more than a finger's breadth.
	private lifeAt(lane: Lane, time: number): Row | null {
		const near = 2 * this.view.scale, row = lane.rows[firstAt(lane, time - near)];
		return row && row.created <= time + near && row.created <= app.now() ? row : null;
	}

	// How many lives of a lane fall into the pixel of a time.
	many(lane: Lane, time: number): number {
		const half = this.view.scale / 2;
		let n = 0;
		for (let i = firstAt(lane, time - half); i < lane.rows.length && lane.rows[i].created <= time + half; i++) n++;
		return n;
	}

	hit(x: number, y: number): Hit {
		const i = Math.floor((y - RULER + this.view.scrollY) / this.rowHeight);
		const area = y < RULER ? 'ruler' : x < this.labels ? 'label' : 'rows';
		const entry = area === 'ruler' ? null : this.entries[i] ?? null, time = this.view.time(x - this.labels);
		const row = entry?.lane && area === 'rows' ? this.lifeAt(entry.lane, time) : null;
		return { entry: row ? { row } : entry, lane: entry?.lane ?? null, x, y, area, time };
	}

	pointed(): { goid: number; time: number } | null {
		const row = this.hover?.area === 'rows' ? this.hover.entry?.row : null;
		return row ? { goid: row.goid, time: this.hover!.time } : null;
	}

	reveal(goid: number): void {
		const row = app.table?.rows.get(goid);
		if (row && this.indexOf(goid) < 0) app.openGroupOf(row);
		this.wished = { goid, scrollY: this.view.scrollY };
		this.bringIntoSight();
		this.redraw();
	}

	// Who is to be in sight. Which rows there are goes by the time that is looked at: a list of that
	// time comes a moment after the view has moved, so the wish holds until then, or until somebody scrolls.
	private wished: { goid: number; scrollY: number } | null = null;

	private bringIntoSight(): void {
		const { wished, view } = this, i = wished ? this.indexOf(wished.goid) : -1, top = i * this.rowHeight;
		if (!wished || wished.scrollY !== view.scrollY) return void (this.wished = null);
		if (i >= 0 && (top < view.scrollY || top + this.rowHeight > view.scrollY + view.height)) view.scroll(top - view.height / 2);
		wished.scrollY = view.scrollY;
	}

	fit(): void {
		app.follow.set(false);
		const row = app.selected.get() !== null ? app.table?.rows.get(app.selected.get()!) : undefined;
		const range = app.range.get();
		const end = app.end();
		const [from, to] = range ? [range.from, range.to] :
			row && row.events ? [Math.max(row.created, 0), row.exited || end] : [0, end];
		const pad = Math.max((to - from) * 0.02, 10);
		this.view.goTo(from - pad, to + pad);
		this.redraw();
	}

	private fitted: Fitted | null;
	private scrollTo = 0; // from an address, until there are rows enough

	private fitWhole(): void {
		const end = app.end();
		this.view.scale = Math.max(end, 1e3) * 1.02 / this.view.width;
		this.view.t0 = -end * 0.01;
		this.fitted = app.growing ? { t0: this.view.t0, scale: this.view.scale } : null;
	}

	// What is still being read stays in sight as a whole, until somebody moves the view.
	private grow(): void {
		if (!this.fitted) return;
		if (this.view.t0 !== this.fitted.t0 || this.view.scale !== this.fitted.scale) this.fitted = null;
		else this.fitWhole();
	}

	// The first sight of a source.
	private place(): void {
		const s = app.status.get();
		const name = sourceName();
		if (!name || name === this.placed) return;
		const first = !this.placed;
		this.placed = name;
		const wanted = (this.canvas as unknown as { place?: { t0: number; t1: number; scroll?: number } }).place;
		if (wanted && first) {
			// A replay, or what is still being read, may get there yet.
			if (app.moves && wanted.t0 >= app.end()) this.view.end = wanted.t1;
			this.view.show(wanted.t0, wanted.t1);
			this.scrollTo = wanted.scroll ?? 0;
			return;
		}
		if (s!.id !== 'live' || app.over) {
			this.fitWhole();
			app.follow.set(false);
		} else {
			const configured = app.config.get().nanoseconds_per_pixel;
			this.view.scale = configured !== 1e6 ? configured : FIRST_SPAN / this.view.width;
			this.opening = configured !== 1e6 ? 0 : this.view.scale;
			this.open();
			this.followNow();
		}
	}

	private opening: number; // the scale that open() chose last; 0: it has done its part

	// What was only just begun fills the width from its first second on, until it is as long as what
	// is shown of any other or somebody zooms.
	private open(): void {
		if (!this.opening) return;
		const span = Math.min(FIRST_SPAN, Math.max(app.now() * 1.03, 1e9));
		const mine = this.opening === this.view.scale && app.follow.get();
		if (mine) this.view.scale = span / this.view.width;
		this.opening = mine && span < FIRST_SPAN ? this.view.scale : 0;
	}

	// The present near the right edge.
	private followNow(): void {
		const span = this.view.width * this.view.scale;
		this.view.t0 = app.now() + span * 0.02 - span;
	}

	// --- frames -----------------------------------------------------------------------------------

	private frame(): void {
		const moving = this.view.animate();
		this.pace.run(() => this.paint());
		app.scale.set(this.view.scale);
		app.labels.set(this.labels);
		this.onPaint();
		if (this.hover) this.onHover();
		if (moving) this.loop.soon();
		else if (app.follow.get() && !app.paused.get() && (app.isLive || app.speed.get() > 0))
			this.loop.after(this.pixelMs());
	}

	// How long the present takes to move by a pixel, within reason.
	private pixelMs(): number {
		return Math.max(this.pace.interval, Math.min(SLOWEST_MS, this.view.scale / this.dpr / 1e6));
	}

	private paint(): void {
		const { ctx, canvas, view } = this;
		this.size();
		view.end = app.end();
		this.place();
		this.grow();
		view.contentHeight = this.entries.length * this.rowHeight + 40;
		this.bringIntoSight();
		if (!view.travels && app.listIsOfWindow) this.wished = null;
		view.scroll(this.scrollTo || view.scrollY);
		if (view.scrollY >= this.scrollTo || app.table?.complete) this.scrollTo = 0;
		if (app.follow.get() && app.status.get()?.state === 'ready') {
			if (!app.paused.get()) this.open();
			this.followNow();
		}
		// What is under a pointer that rests changes with the view and the rows.
		if (this.hover) this.hover = this.hit(this.hover.x, this.hover.y);
		ctx.setTransform(1, 0, 0, 1, 0, 0);
		ctx.imageSmoothingEnabled = false;
		ctx.fillStyle = this.colors.background;
		ctx.fillRect(0, 0, canvas.width, canvas.height);
		const first = Math.max(0, Math.floor(view.scrollY / this.rowHeight));
		const last = Math.min(this.entries.length,
			Math.ceil((view.scrollY + view.height) / this.rowHeight));
		this.paintRows(first, last);
		this.needSeries();
		drawLoss(ctx, this);
		this.needStays(first, last);
		this.said.length = 0;
		drawSpanTexts(ctx, this, first, last);
		drawUntold(ctx, this, first, last);
		drawChosen(ctx, this);
		this.needEdges(first, last);
		drawEdges(ctx, this, first, last);
		drawRange(ctx, this);
		drawRuler(ctx, this, !!this.placed);
		drawMarks(ctx, this);
	}

	// The finest level whose buckets are a device px wide or more: none is left out of the picture.
	private level(): number {
		const px = this.view.scale / this.dpr;
		let level = Math.min(LEVEL_MAX, Math.max(0, Math.ceil(Math.log2(px)) - 1));
		while (level < LEVEL_MAX && 2 ** level < px) level++;
		return level;
	}

	private paintRows(first: number, last: number): void {
		const { ctx, view, dpr } = this;
		const tiles = app.tiles;
		const s = app.settings.get();
		const h = Math.round(this.rowHeight * dpr);
		const strip = s.allocations && this.rowHeight >= 14 ? Math.round(3 * dpr) : 0;
		this.textures.configure({ height: h, top: Math.round(2 * dpr),
			bottom: h - Math.round(2 * dpr) - strip, strip: Math.max(0, strip - 1), marks: s.marks }, this.colors);
		const level = this.level();
		const wanted: Wishes = new Map();
		const replayed = app.playhead.get();
		ctx.save();
		ctx.beginPath();
		ctx.rect(0, Math.round(RULER * dpr), this.canvas.width, this.canvas.height);
		ctx.clip();
		const top = (i: number) => Math.round(this.rowTop(i) * dpr);
		for (let i = first; i < last; i++) this.paintBackground(this.entries[i], i, top(i), h);
		if (this.placed) drawGrid(ctx, this);
		ctx.save();
		// Nobody was in any state before the beginning. The first bucket may begin before it, and keeps a px.
		const width = 2 ** level;
		const begin = Math.max(0, Math.min(this.px(0), this.px((Math.floor(app.origin / width) + 1) * width - app.origin) - 1, this.canvas.width - (view.t1 > 0 ? 1 : 0)));
		ctx.beginPath();
		ctx.rect(begin, 0, Math.max(0, this.canvas.width - begin), this.canvas.height);
		ctx.clip();
		this.trimmed = [];
		for (let i = first; i < last; i++) {
			const entry = this.entries[i];
			if (tiles && entry.row) this.paintRow(entry.row, tiles, level, top(i), wanted);
			else if (tiles && entry.group) this.paintGroup(entry.group, tiles, level, top(i), wanted);
			else if (tiles && entry.lane) this.paintLane(entry.lane, tiles, level, top(i), wanted);
		}
		if (!this.textures.flush(ctx)) this.redraw();
		drawTrimmed(ctx, this, this.trimmed, h);
		ctx.restore();
		// Labels over what sticks out to the left.
		const shown = this.entries.slice(first, last);
		this.beside.paint(ctx, this, shown, first, shown.map(({ row }) => (!row ? NONE : replayed === null ? shownAs(row.state, row.reason) :
			this.stateAt(row.goid, replayed))));
		ctx.restore();
		if (tiles) {
			const middle = tiles.indexOf(level, view.time(view.width / 2));
			tiles.onArrival = () => this.redrawSoon();
			const far = (w: Wanted) => (w.level === level ? Math.abs(w.index - middle) : 0);
			tiles.request([...wanted.values()].sort((a, b) => far(a) - far(b)));
		}
	}

	private paintBackground(entry: Entry, i: number, y: number, h: number): void {
		const { ctx, canvas } = this;
		const selected = entry.row && entry.row.goid === app.selected.get();
		const hovered = this.hover?.entry && (entry.lane ? this.hover.lane === entry.lane : entry.row ? this.hover.entry.row === entry.row :
			this.hover.entry.group === entry.group);
		if (selected || hovered || entry.group || i % 2) {
			ctx.fillStyle = selected ? this.colors.selection : this.colors.stripe;
			ctx.fillRect(0, y, canvas.width, h);
		}
	}

	// Draws one id's tiles over the visible time, as fine as there are. Returns up to when.
	private paintTiles(id: number | string, from: number, to: number, tiles: TileCache, level: number,
		y: number, wanted: Wishes): { known: number; state: number } {
		const { view } = this;
		const t0 = Math.max(view.t0, from), t1 = Math.min(view.t1, to);
		const frozen = !app.moves;
		let known = -Infinity, state = NONE;
		if (t1 <= t0) return { known, state };
		for (let index = tiles.indexOf(level, t0), end = tiles.indexOf(level, t1); index <= end; index++) {
			const start = tiles.startOf(level, index);
			if (start + 2 ** (level + TILE_SHIFT) <= 0) continue;
			if (tiles.needs(level, index, id, frozen)) wish(wanted, level, index, id);
			const tile = this.bestTile(tiles, level, index, id);
			if (!tile) {
				// What is finer is made from events, and gone with them (docs/api.md).
				const up = LEVEL_BASE - level, coarse = Math.floor(index / 2 ** up);
				if (up > 0 && tiles.get(level, index, id)?.gone && tiles.needs(LEVEL_BASE, coarse, id, frozen))
					wish(wanted, LEVEL_BASE, coarse, id);
				continue;
			}
			const a = Math.max(t0, start), b = Math.min(t1, start + 2 ** (level + TILE_SHIFT), tile.known);
			// A tile in between that has not come yet: paler, as what is too new.
			if (b > a && known < a && known > -Infinity && state !== NONE) {
				this.ctx.globalAlpha = 0.4;
				this.paintState(state, known, a, y);
				this.ctx.globalAlpha = 1;
			}
			known = Math.max(known, Math.min(tile.known, start + 2 ** (level + TILE_SHIFT)));
			state = tile.tile.n ? cellEnd(tile.tile, tile.tile.n - 1) : tile.tile.before;
			if (!tile.tile.exists && typeof id === 'number') return { known: FORGOTTEN, state: NONE };
			if (b <= a) continue;
			this.blit(tile.key, tile.tile, a, b, y);
			if (tile.tile.coarser || tiles.get(level, index, id)?.gone) this.trimmed.push({ ...cut(this.px(a), this.px(b), this.left, this.canvas.width), y });
		}
		return { known, state };
	}

	private trimmed: Box[] = []; // of this frame: what was there is no longer kept as fine as it is shown

	private bestTile(tiles: TileCache, level: number, index: number, id: number | string):
		{ tile: RowTile; key: string; known: number } | null {
		for (let up = 0; up <= FALLBACK_LEVELS && level + up <= LEVEL_MAX; up++) {
			const i = Math.floor(index / 2 ** up);
			const tile = tiles.get(level + up, i, id);
			if (tile && !tile.gone) return { tile, key: TileCache.key(level + up, i, id), known: tile.known };
		}
		return null;
	}

	// The finest tile at hand of a goroutine at a time.
	tileAt(goid: number, time: number): RowTile | null {
		const level = this.level();
		return app.tiles ? this.bestTile(app.tiles, level, app.tiles.indexOf(level, time), goid)?.tile ?? null : null;
	}

	// What is as fine as is asked for is made from events, which are no longer kept of that time.
	gone(goid: number, time: number): boolean {
		const level = this.level();
		return !!app.tiles?.get(level, app.tiles.indexOf(level, time), goid)?.gone;
	}

	// What a goroutine was in at a time, as far as the tiles at hand know.
	private stateAt(goid: number, time: number): number {
		const tile = this.tileAt(goid, time);
		return tile ? lookUp(tile, time).state : NONE;
	}

	// Of the tile's strip what [a, b) touches: whole columns, which are a device px wide or more, so
	// that each is copied to one at least. Parts of columns only where they are much wider.
	private blit(key: string, tile: RowTile, a: number, b: number, y: number): void {
		const { view, dpr } = this;
		const bucket = tile.width / TILE_BUCKETS;
		let from = (a - tile.start) / bucket, to = (b - tile.start) / bucket;
		if (bucket / view.scale * dpr < WIDE_PX) {
			from = Math.floor(from + 1e-6);
			to = Math.ceil(to - 1e-6);
		}
		from = Math.max(0, from);
		to = Math.min(TILE_BUCKETS, to);
		if (to <= from) return;
		const x = (column: number) => this.px(tile.start + column * bucket), dx = x(from), dw = Math.max(1, x(to) - dx);
		// Columns at the edges of which so little is in sight that no px is theirs: what happened in them is under what is beside them.
		const { left } = this, right = this.canvas.width, at = (px: number) => Math.floor(from + (px + 0.5 - dx) * (to - from) / dw);
		const under = (column: number, px: number) => {
			if (lookUp(tile, tile.start + (column + 0.5) * bucket).cell >= 0) this.textures.add(key, tile, column, 1, px, 1, y);
		};
		if (dx < left) for (let column = Math.floor(from); column < Math.min(at(left), to); column++) under(column, left);
		if (dx + dw > right) for (let column = Math.ceil(to) - 1; column >= Math.max(at(right - 1) + 1, Math.floor(from)); column--) under(column, right - 1);
		this.textures.add(key, tile, from, to - from, dx, dw, y);
	}

	private paintRow(row: Row, tiles: TileCache, level: number, y: number,
		wanted: Wishes): void {
		const now = app.now();
		const end = row.exited && row.exited <= now ? row.exited : now;
		if (!tellable(row.goid)) return this.paintForgotten(Math.max(row.created, 0), end, y); // drawUntold says why
		// What was found had a state before; what was created had none, and its first bucket whole.
		const from = row.flags & FOUND ? row.created : row.created - 2 ** (level + 2);
		const { known, state } = this.paintTiles(row.goid, from, end + 2 ** (level + 1), tiles, level, y, wanted);
		// What is too new for a tile to know: paler, in the state it was in last.
		if (known === FORGOTTEN) {
			const since = row.exited ? end : Math.max(row.since, row.created);
			this.paintForgotten(Math.max(row.created, 0), since, y);
			if (!row.exited && since < this.view.t1) this.paintState(shownAs(row.state, row.reason), since, end, y);
			return;
		}
		if (known === -Infinity && row.exited && row.exited <= now) this.paintForgotten(row.created, end, y); // until a tile has come
		if (known >= end || (row.exited && row.exited <= now)) return;
		this.ctx.globalAlpha = 0.4;
		if (known > -Infinity && state !== NONE) this.paintState(state, known, end, y);
		else if (known === -Infinity && row.since < this.view.t1) this.paintState(shownAs(row.state, row.reason), Math.max(row.since, row.created), end, y);
		this.ctx.globalAlpha = 1;
	}

	// The lives in it that are in sight: what they did where they are wide enough for it, else one block;
	// those that end within a pixel that another's block has are one with it.
	private paintLane(lane: Lane, tiles: TileCache, level: number, y: number, wanted: Wishes): void {
		const { view, dpr } = this, now = app.now();
		for (let i = firstAt(lane, view.t0); i < lane.rows.length;) {
			const row = lane.rows[i];
			if (row.created > Math.min(view.t1, now)) break;
			i++;
			if ((row.exited - row.created) / view.scale >= LIFE_PX) this.paintRow(row, tiles, level, y, wanted);
			else i = Math.max(i, firstAt(lane, view.time(this.paintLife(row, y) / dpr - this.labels)));
		}
	}

	// A whole life in a few pixels: its states by their share of it. Returns the px behind it.
	private paintLife(row: Row, y: number): number {
		const { ctx, dpr } = this, box = this.inSight(row.created, row.exited);
		if (!box) return 0;
		const h = Math.round(this.rowHeight * dpr), strip = app.settings.get().allocations && this.rowHeight >= 14 ? Math.round(3 * dpr) : 0;
		const bottom = h - Math.round(2 * dpr) - strip, full = bottom - Math.round(2 * dpr);
		// Waiting is the line at the bottom, as in any row.
		const parts = ([[WAITING, row.waiting], [RUNNING, row.running], [SYSCALL, row.syscall], [RUNNABLE, row.runnable]] as const).filter(([, ns]) => ns > 0);
		const total = parts.reduce((sum, [, ns]) => sum + ns, 0);
		if (!total) parts.push([RUNNING, 1]);
		let base = y + bottom;
		parts.forEach(([state, ns], k) => {
			const room = base - (y + bottom - full) - (parts.length - 1 - k), part = Math.max(1, Math.min(room, state === WAITING ? Math.round(2 * dpr) : Math.round(full * ns / (total || 1))));
			ctx.fillStyle = total ? this.colors.cell[shownAs(state, row.reason)] : this.colors.muted;
			ctx.fillRect(box.x, base - part, box.width, part);
			base -= part;
		});
		return box.x + box.width;
	}

	// The lives of a lane that are in sight and at least so wide.
	private livesIn(lane: Lane, px: number): Row[] {
		const { view } = this, found: Row[] = [];
		for (let i = firstAt(lane, view.t0); i < lane.rows.length && lane.rows[i].created < view.t1 && found.length < 100; i++)
			if ((lane.rows[i].exited - lane.rows[i].created) / view.scale >= px) found.push(lane.rows[i]);
		return found;
	}

	// It lived from then to then; what it did is no longer kept.
	private paintForgotten(from: number, to: number, y: number): void {
		const { ctx, dpr } = this, box = to >= from ? this.inSight(from, to) : null;
		if (!box) return;
		ctx.fillStyle = this.colors.muted;
		const height = Math.round(this.rowHeight * dpr), thick = box.width < 3 * dpr ? Math.round(height / 2) : Math.max(1, dpr); // a dot is not seen
		ctx.fillRect(box.x, y + Math.round((height - thick) / 2), box.width, thick);
	}

	private paintState(state: number, from: number, to: number, y: number): void {
		const { ctx, view, dpr } = this, x0 = this.px(Math.max(from, view.t0)), x1 = this.px(Math.min(to, view.t1));
		if (x1 <= x0) return;
		const h = Math.round(this.rowHeight * dpr), s = app.settings.get();
		const strip = s.allocations && this.rowHeight >= 14 ? Math.round(3 * dpr) : 0;
		const top = Math.round(2 * dpr), bottom = h - top - strip;
		const full = Math.max(2, Math.round((bottom - top) * stateHeight(stateOf(state), s.marks)));
		ctx.fillStyle = this.colors.cell[state];
		if (state !== UNKNOWN) return ctx.fillRect(x0, y + bottom - full, x1 - x0, full);
		for (let x = x0; x < x1; x += 6) ctx.fillRect(x, y + bottom - full, Math.min(2, x1 - x), full);
	}

	private paintGroup(group: Group, tiles: TileCache, level: number, y: number,
		wanted: Wishes): void {
		if (group.collapsed) this.paintTiles(group.key, 0, app.now(), tiles, level, y, wanted);
	}

	// --- what else a frame needs ---------------------------------------------------------------------

	private loss = new Latest<Series>(() => this.redraw());

	get series(): Series | null {
		return this.loss.value;
	}

	private needSeries(): void {
		const s = app.status.get();
		if (!s || !app.usable) return;
		const lost = sum(s.lost) + s.pyramid.missed;
		if (!lost) return this.loss.forget();
		const level = Math.max(SERIES_LEVEL_MIN, Math.min(LEVEL_MAX, Math.ceil(Math.log2(this.view.scale * 4))));
		const from = Math.floor((this.view.t0 + app.origin) / 2 ** level);
		const n = Math.min(4096, Math.ceil(this.view.width * this.view.scale / 2 ** level) + 2);
		if (from >= 0) this.loss.want(this.placed, `${level}/${from}/${n}/${lost}`, () => getSeries(s.id, level, from, n));
	}

	private long = new Latest<{ stays: Stay[]; at: number }>(() => this.redraw(), STAYS_PAUSE_MS);
	readonly said: string[] = [];

	get stays(): Stay[] {
		return this.long.value?.stays ?? [];
	}

	get staysAt(): number {
		return this.long.value?.at ?? 0;
	}

	// The exact spans of which enough is in sight for a text: a tile knows none as a whole.
	private needStays(first: number, last: number): void {
		const goids = this.entries.slice(first, last).flatMap((e) => (e.row ? [e.row.goid] : e.lane ? this.livesIn(e.lane, SPAN_TEXT_PX).map((r) => r.goid) : [])).filter(tellable);
		if (!goids.length || !app.usable || this.rowHeight < 15) return this.long.forget();
		const { t0, t1, scale } = this.view, part = (t1 - t0) / 8, source = app.source.get(), { origin } = app;
		const from = Math.max(0, Math.floor(t0 / part) * part), to = Math.ceil(t1 / part) * part;
		if (to <= from) return this.long.forget();
		const min = Math.round(scale * SPAN_TEXT_PX), moves = app.moves && t1 > app.now();
		if (performance.now() < this.stayed.at + this.stayed.ms * (moves ? STAYS_REST : 1)) return;
		this.long.want(this.placed, `${goids.join()}/${from}/${to}/${moves ? Math.floor(app.now() / STAYS_EVERY_NS) : ''}`, async () => {
			const asked = performance.now(), then = app.now();
			const { stays } = await getJson<{ stays: Stay[] }>(url(source,
				`stays?goids=${goidList(goids)}&from=${int(from + origin)}&to=${int(to + origin)}&min=${min}&limit=${STAYS_MOST}`));
			const at = performance.now(), ms = at - asked;
			this.stayed = { at, ms };
			setTimeout(() => this.redraw(), ms + 1); // what was not asked meanwhile
			return { stays, at: then };
		});
	}

	// The server walks through all that is kept of those goroutines, beside the traced program: what
	// moves by itself is asked for more seldom the longer that takes.
	private stayed = { at: 0, ms: 0 }; // when the last answer came, and how long it took

	private near = new Latest<Edge[]>(() => this.redraw(), 150);

	get edges(): Edge[] {
		return this.near.value ?? [];
	}

	private needEdges(first: number, last: number): void {
		const mode = app.settings.get().edges;
		const selected = app.selected.get();
		let goids: number[] = [];
		if (mode === 'visible')
			for (let i = first; i < last; i++) {
				const row = this.entries[i].row;
				if (row && tellable(row.goid)) goids.push(row.goid);
			}
		else if (mode === 'selected' && selected !== null && tellable(selected)) goids = [selected];
		const t0 = this.view.t0, t1 = this.view.t1;
		const coarse = (t1 - t0) / 8;
		if (!goids.length) return this.near.forget();
		const origin = app.origin, source = app.source.get(), selection = mode === 'selected' ? selected : '';
		this.near.want(`${this.placed}/${selection}`, `${goids.join()}/${Math.floor(t0 / coarse)}/${Math.floor(t1 / coarse)}`, async () =>
			(await getEdges(source, goids, t0 - coarse + origin, t1 + coarse + origin)).map((e) => ({ ...e, time: e.time - origin })));
	}
}
