// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Of a type, which goroutines made it: asked of those that allocate most, each by its own list.
import { useEffect, useState } from 'preact/hooks';
import { app } from './app';
import { at, getJson } from './api';
import { bytes, count, goidText, shortFunc } from './format';
import { inOrder } from './order';

const ASKED = 20, SHOWN = 8;

interface Made { goid: number; count: number; bytes: number | null }
interface Allocation { kind: string; type: string | null; count: number; bytes: number | null }

export function WhoAllocates({ kind, type, all }: { kind: string; type: string | null; all: number }) {
	const [made, setMade] = useState<Made[] | null>(null);
	useEffect(() => {
		let stale = false;
		const source = app.source.get(), most = inOrder(app.table ? [...app.table.rows.values()].filter((r) => r.bytes + r.maps > 0) : [], (r) => r.bytes, true).slice(0, ASKED);
		void Promise.all(most.map(async ({ goid }) => {
			const found = (await getJson<Allocation[]>(at(source, `goroutines/${goid}/allocations`)).catch(() => [])).find((a) => a.kind === kind && a.type === type);
			return found ? [{ goid, count: found.count, bytes: found.bytes }] : [];
		})).then((list) => { if (!stale) setMade(list.flat().sort((a, b) => b.count - a.count)); });
		return () => { stale = true; };
	}, [kind, type]);
	if (!made) return <span class="muted">…</span>;
	if (!made.length) return <span class="muted">By none of the {ASKED} goroutines that allocate most.</span>;
	return <span class="muted">Of the {ASKED} goroutines that allocate most: {made.slice(0, SHOWN).map((m) => (
		<span class="made-by"><button class="link" onClick={() => app.selected.set(m.goid)}>{goidText(m.goid)}</button> {shortFunc(app.table?.rows.get(m.goid)?.func ?? '')} {count(m.count)}
			{m.bytes === null ? '' : `, ${bytes(m.bytes)}`} ({(100 * m.count / Math.max(1, all)).toFixed(0)} %)</span>))}</span>;
}
