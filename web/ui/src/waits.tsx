// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What one goroutine waits on, who likely holds that, and who else waits for it: in its panel.
import { exact, goidText } from './format';
import { WaitGraph, type GraphMember } from './graph';

interface Holder { goid: number; evidence: string; waiter: boolean; likely?: boolean; call?: string; function?: string; file?: string; line?: number }

export interface WaitRow {
	object: string | null;
	kind: string | null; // null: it has moved since
	wait: string | null;
	type: string | null;
	len: number | null;
	cap: number | null;
	state: string | null;
	n_waiters: number | null;
	waiters: { goid: number; wait: string }[] | null;
	likely_holders: Holder[] | null;
	evidence: string | null;
}

// As the row's own text has it: "41 defers sync.(*Mutex).Unlock in main.work (/src/main.go:12); 7 …".
function evidenceOf(row: WaitRow, goid: number): string {
	const part = row.evidence?.split('; ').find((p) => p.startsWith(`${goid} `));
	return part?.slice(`${goid} `.length) ?? '';
}

const waitsOn = (row: WaitRow) => [row.kind, row.object, row.type && `of ${row.type}`, row.state].filter(Boolean).join(' ');

function members(self: number, name: string, row: WaitRow): GraphMember[] {
	const holder = row.likely_holders?.[0]?.goid;
	return [{ goid: self, culprit: true, function: name, wait_reason: row.kind ?? '', waits_on: waitsOn(row), object: row.object ?? undefined,
		likely_holder: holder, evidence: holder === undefined ? undefined : evidenceOf(row, holder) }];
}

export function Waits({ rows, goid, name, goTo }: { rows: WaitRow[]; goid: number; name: string; goTo: (goid: number) => void }) {
	const told = rows.filter((r) => r.kind);
	if (!told.length) return <p class="muted">It moved while it was looked at.</p>;
	return <>{told.slice(0, 8).map((row) => {
		const others = (row.waiters ?? []).filter((w) => w.goid !== goid);
		return <div class="waits-on" key={`${row.object}/${row.wait}`}>
			<div><b>{row.kind}</b>{row.wait ? ` ${row.wait}` : ''} <span class="mono small">{[row.object, row.type && `of ${row.type}`,
				row.cap === null ? null : `len ${row.len} cap ${row.cap}`, row.state].filter(Boolean).join(' ')}</span></div>
			{row.likely_holders?.length ? <ul class="plain">{row.likely_holders.slice(0, 5).map((h) => <li key={h.goid}>{h.likely === false ? 'maybe' : 'likely'} held by{' '}
				<button class="link" onClick={() => goTo(h.goid)}>goroutine {goidText(h.goid)}</button>: <span class="small">{evidenceOf(row, h.goid)}</span></li>)}</ul> :
				<p class="muted">Nobody is known to hold it.</p>}
			<div>{others.length ? <>Also waiting: {others.slice(0, 20).map((w) => <button class="link" title={w.wait} onClick={() => goTo(w.goid)}>{goidText(w.goid)}</button>)}
				{(row.n_waiters ?? 0) - 1 > 20 ? <span class="muted"> and {exact((row.n_waiters ?? 0) - 21)} more</span> : null}</> :
				<span class="muted">Nobody else waits for it.</span>}</div>
			{row.likely_holders?.length ? <WaitGraph members={members(goid, name, row)} select={goTo} /> : null}
		</div>;
	})}{told.length > 8 ? <p class="muted">and {exact(told.length - 8)} cases more</p> : null}</>;
}
