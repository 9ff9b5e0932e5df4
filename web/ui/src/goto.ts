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
