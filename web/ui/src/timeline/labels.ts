// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The labels beside the rows, drawn again only when what they say has changed: text takes longer than
// anything else in a frame, and while the picture follows the present the labels mostly stay.
import { app } from '../app';
import { sortText, type Entry } from '../rows';
import { drawGroupHead, drawLabel, drawLaneLabel } from './paint';
import type { Scene } from './scene';

export class Labels {
	private canvas = document.createElement('canvas');
	private ctx = this.canvas.getContext('2d', { alpha: false })!;
	private shown = '';

	// `states`: of each entry's goroutine, from `first` on.
	paint(to: CanvasRenderingContext2D, t: Scene, entries: Entry[], first: number, states: number[]): void {
		const now = app.now(), selected = app.selected.get(), { sort } = app.browse.get();
		const width = Math.round(t.labels * t.dpr), height = t.canvas.height;
		const says = [width, height, t.rowHeight, t.dpr, app.theme.get(), t.rowTop(first), ...entries.map((e, i) => (e.group ?
			`${e.group.label}/${e.group.rows.length}/${e.group.collapsed}` :
			e.lane ? `${e.lane.key}/${e.lane.rows.length}` : `${sortText(sort, e.row, now)}/${e.row.goid}/${e.row.func}/${states[i]}/${e.row.flags}/${e.row.exited <= now}/${e.pinned}/${e.row.goid === selected}`))].join();
		if (says !== this.shown) {
			this.shown = says;
			if (this.canvas.width !== width) this.canvas.width = width;
			if (this.canvas.height !== height) this.canvas.height = height;
			this.ctx.fillStyle = t.colors.background;
			this.ctx.fillRect(0, 0, width, height);
			entries.forEach((e, i) => {
				if (e.group) drawGroupHead(this.ctx, t, e.group, t.rowTop(first + i));
				else if (e.lane) drawLaneLabel(this.ctx, t, e.lane, t.rowTop(first + i));
				else drawLabel(this.ctx, t, e.row, states[i], !!e.pinned, sortText(sort, e.row, now), t.rowTop(first + i));
			});
		}
		const end = Math.min(height, Math.round(t.rowTop(first + entries.length) * t.dpr));
		if (entries.length && end > 0) to.drawImage(this.canvas, 0, 0, width, end, 0, 0, width, end);
	}
}
