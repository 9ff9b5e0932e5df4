// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
import { app } from './app';
import { current } from './timeline/scene';

// Chooses a goroutine and brings its row into sight, whatever the filter leaves out.
export function goTo(goid: number): void {
	const row = app.table?.rows.get(goid);
	app.selected.set(goid);
	if (row && !app.list.get().matched.includes(row)) {
		if (app.browse.get().hidden.has(goid)) app.toggle('hidden', goid);
		if (!app.list.get().matched.includes(row)) app.browse.update({ filter: '' });
	}
	current?.reveal(goid);
}

// The same on the timeline, which may have to be drawn first.
export function goToRow(goid: number): void {
	app.view.set('timeline');
	goTo(goid);
	setTimeout(() => current?.reveal(goid), 50);
}

// The timeline has this time from edge to edge, at once or when it is drawn.
export function showTime(from: number, to: number): void {
	const part = (to - from) / 6; // a jump shows a quarter more on each side
	app.follow.set(false);
	if (!current) app.jump = { from: from + part, to: to - part };
	app.view.set('timeline');
	current?.view.goTo(from, to);
	current?.redraw();
}
