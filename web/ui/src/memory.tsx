// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Who allocates: goroutines as tiles by bytes, coloured by state, as the original has them; and the
// same by type and by function.
import { useState } from 'preact/hooks';
import { app, type MemoryBy as By } from './app';
import { at, getJson } from './api';
import { word } from './filter';
import { brief, bytes, count, exact, goidText, shortFunc } from './format';
import { inOrder } from './order';
import { usePolled } from './poll';
import { Rest, ROWS_MOST } from './rest';
import { useValue } from './store';
import { STATES, UNKNOWN } from 'contract';
import type { Row } from './types';
import { mix, swatch, textOn } from './colors';
import { WhoAllocates } from './whoallocates';

const TILES_SHOWN = 300;

export function MemoryView() {
	const wanted = useValue(app.memoryBy), source = useValue(app.source), { filter } = useValue(app.browse), by = wanted === 'call site' && source !== 'live' ? 'goroutine' : wanted; // a recorded session has no call sites
	return (
		<div class="page memory">
			<div class="bar">
				<div class="segments" role="tablist" aria-label="By">{(['goroutine', 'type', 'function', ...(source === 'live' ? ['call site'] : [])] as By[]).map((b) => (
					<button role="tab" aria-selected={by === b} class={by === b ? 'on' : ''} onClick={() => app.memoryBy.set(b)}>By {b}</button>))}</div>
				{filter && (by === 'goroutine' || by === 'function') ? <button class="chip" title="The timeline's filter holds here, too" onClick={() => app.browse.update({ filter: '' })}>{filter} ✕</button> : null}
				<span class="muted">Bytes asked for since tracing began: objects and slices with their element sizes. Maps count, their memory is not known.{by === 'goroutine' ? ' S: slices, M: maps, O: objects.' : ''}</span>
			</div>
			{by === 'goroutine' ? <Tiles /> : by === 'type' ? <Types /> : by === 'call site' ? <Sites /> : <Functions />}
		</div>
	);
}

// What the program asked for in all is more than what the goroutines that are listed did.
function useTotal(rows: Row[]) {
	const status = useValue(app.status), { filter } = useValue(app.browse), { showSystem, exited } = useValue(app.settings);
	const listed = rows.reduce((sum, r) => sum + r.bytes, 0), all = Math.max(listed, status?.alloc_bytes ?? 0);
	const gone = exited === 'none' ? status?.exited : status?.exited_dropped;
	const why = [gone ? `have exited${exited === 'none' ? '' : ' and are no longer kept'}` : '', filter ? 'the filter leaves out' : '', showSystem ? '' : "are the runtime's own"].filter(Boolean).join(', or ');
	const rest = listed < all && rows.length ? <div class="note muted listed">These {exact(rows.length)} goroutines: {bytes(listed)} of {bytes(all)}; the rest by such that {why || 'are not listed'}.</div> : null;
	return { all: all || 1, rest };
}

function Tiles() {
	useValue(app.list);
	const look = useValue(app.look);
	const [shown, setShown] = useState(TILES_SHOWN);
	const rows = inOrder(app.list.get().matched.filter((r) => r.bytes + r.maps > 0), (r) => r.bytes, true);
	const { all, rest } = useTotal(rows), most = rows[0]?.bytes || 1;
	return <>
		{rest}
		<div class="tiles">{rows.slice(0, shown).map((r) => <Tile r={r} share={r.bytes / most} part={r.bytes / all} color={r.state === UNKNOWN ? look.state[UNKNOWN] : swatch(look, r.state, r.reason)} />)}</div>
		{rows.length > shown ? <button onClick={() => setShown(shown + TILES_SHOWN)}>Show more of {rows.length}</button> : null}
		{rows.length ? null : <div class="empty">No allocation seen yet.</div>}
	</>;
}

function Tile({ r, share, part, color }: { r: Row; share: number; part: number; color: string }) {
	const strong = 0.12 + 0.6 * Math.sqrt(share);
	const background = mix(color, getComputedStyle(document.documentElement).getPropertyValue('--bg').trim(), strong);
	const style = { background, color: textOn(background) };
	const of = r.slices + r.maps + r.objects || 1;
	return (
		<button class="tile" style={style} onClick={() => app.selected.set(r.goid)}
			title={`goroutine ${goidText(r.goid)}, ${STATES[r.state]}\n${r.func}\n${exact(r.bytes)} bytes`}>
			<span class="tile-id">{goidText(r.goid)} <em>{STATES[r.state]}</em></span>
			<span class="tile-bytes"><b>{bytes(r.bytes)}</b> {(part * 100).toFixed(1)}%</span><span class="tile-name">{shortFunc(r.func)}</span>
			<span class="tile-split" title={`${r.slices} slices, ${r.maps} maps, ${r.objects} objects`}>
				<i class="s" style={{ flexGrow: r.slices / of }} /><i class="m" style={{ flexGrow: r.maps / of }} /><i class="o" style={{ flexGrow: r.objects / of }} /></span>
			<span class="tile-kinds"><span>S {count(r.slices)}</span><span>M {count(r.maps)}</span><span>O {count(r.objects)}</span></span>
		</button>
	);
}

interface TypeRow { kind: string; type: string | null; go_kind: string | null; size: number | null; count: number; bytes: number | null }

function Types() {
	const { value: types, problem } = usePolled(() => getJson<TypeRow[]>(at(app.source.get(), 'types')), 2000, []);
	const [open, setOpen] = useState('');
	if (!types) return <div class="empty">{problem || '…'}</div>;
	const most = Math.max(1, ...types.map((t) => t.bytes ?? 0));
	const color = (kind: string) => app.look.get().type[kind];
	return (
		<table class="wide"><thead><tr><th>Type</th><th class="num">Bytes</th><th class="num">Count</th><th class="num">Size</th><th>Made as</th><th>Go kind</th><th class="bars" /></tr></thead>
			<tbody>{types.slice(0, ROWS_MOST).map((t) => {
				const key = `${t.kind}/${t.type}`, is = open === key;
				return <>
					<tr class={`clickable ${is ? 'on' : ''}`} onClick={() => setOpen(is ? '' : key)} title="Which goroutines made them"><td class="mono"><button class="link" aria-expanded={is}>{t.kind === 'makeslice' ? '[]' : ''}{t.type ? brief(t.type) : '(unknown)'}</button></td>
						<td class="num">{t.bytes === null ? '–' : bytes(t.bytes)}</td><td class="num">{exact(t.count)}</td><td class="num">{t.size ? bytes(t.size) : ''}</td>
						<td><i class="dot" style={{ background: color(t.kind) }} />{t.kind}</td><td class="muted">{t.go_kind}</td>
						<td class="bars"><i style={{ width: `${100 * (t.bytes ?? 0) / most}%`, background: color(t.kind) }} /></td></tr>
					{is ? <tr><td colSpan={7}><WhoAllocates kind={t.kind} type={t.type} all={t.count} /></td></tr> : null}
				</>;
			})}<Rest of={types.length} columns={7} /></tbody></table>
	);
}

interface SiteRow { site: string | null; own_site: string | null; through: string | null; bytes: number; percent: number; error_bytes: number | null; objects: number | null; samples: number }

// Who allocates, sampled by the runtime itself: also what no event tells of.
function Sites() {
	const { value: rows, problem } = usePolled(() => getJson<SiteRow[]>(at(app.source.get(), 'alloc_sites')), 3000, []);
	const [open, setOpen] = useState('');
	if (!rows) return <div class="empty">{problem || '…'}</div>;
	if (!rows.length) return <div class="empty">No allocation has been sampled: the probes are off, or nothing was allocated.</div>;
	return (
		<table class="wide call-sites"><thead><tr><th>Call site</th><th>The program's own</th><th class="num">Bytes</th><th class="num">Share</th><th class="num">±</th><th class="num">Objects</th><th class="bars" /></tr></thead>
			<tbody>{rows.slice(0, ROWS_MOST).map((r) => {
				const key = `${r.site}/${r.own_site}`, is = open === key;
				return <>
					<tr class={`clickable ${is ? 'on' : ''}`} onClick={() => setOpen(is ? '' : key)}>
						<td class="mono"><button class="link" aria-expanded={is}>{r.site ? brief(r.site) : '(unknown)'}</button></td><td class="mono small">{r.own_site && r.own_site !== r.site ? brief(r.own_site) : ''}</td>
						<td class="num">{bytes(r.bytes)}</td><td class="num">{r.percent.toFixed(1)}%</td><td class="num muted">{r.error_bytes === null ? '' : bytes(r.error_bytes)}</td><td class="num">{r.objects ? exact(r.objects) : ''}</td>
						<td class="bars"><i style={{ width: `${Math.min(100, r.percent)}%` }} /></td></tr>
					{is ? <tr><td colSpan={7} class="muted">{r.samples ? `${exact(r.samples)} samples${r.through ? `, through ${r.through}` : ''}. ` : 'What the runtime counts beyond the samples. '}
						<button class="link" onClick={() => { app.browse.update({ sort: 'alloc', descending: true, filter: '' }); app.view.set('timeline'); }}>Which goroutines allocate most</button></td></tr> : null}
				</>;
			})}<Rest of={rows.length} columns={7} /></tbody></table>
	);
}

interface FuncRow { func: string; n: number; live: number; bytes: number; slices: number; maps: number; objects: number }

function Functions() {
	const list = useValue(app.list);
	const by = new Map<string, FuncRow>();
	for (const r of list.matched) {
		let f = by.get(r.func);
		if (!f) by.set(r.func, f = { func: r.func, n: 0, live: 0, bytes: 0, slices: 0, maps: 0, objects: 0 });
		f.n++;
		f.live += r.exited ? 0 : 1;
		f.bytes += r.bytes;
		f.slices += r.slices;
		f.maps += r.maps;
		f.objects += r.objects;
	}
	const rows = [...by.values()].sort((a, b) => b.bytes - a.bytes);
	const most = Math.max(1, ...rows.map((f) => f.bytes));
	const { rest } = useTotal(list.matched);
	return <>
		{rest}
		<table class="wide"><thead><tr><th>Start function</th><th class="num">Bytes</th><th class="num">Goroutines</th><th class="num">Live</th><th class="num">Slices</th><th class="num">Maps</th><th class="num">Objects</th>
			<th class="bars" /></tr></thead>
			<tbody>{rows.slice(0, ROWS_MOST).map((f) => (
				<tr class="clickable" onClick={() => { app.browse.update({ filter: f.func ? `func:${word(f.func)}` : '' }); app.view.set('timeline'); }} title={`Show them on the timeline\n${f.func}`}>
					<td class="mono"><button class="link">{f.func ? brief(f.func) : '(unknown)'}</button></td><td class="num">{bytes(f.bytes)}</td><td class="num">{exact(f.n)}</td><td class="num">{exact(f.live)}</td><td class="num">{exact(f.slices)}</td>
					<td class="num">{exact(f.maps)}</td><td class="num">{exact(f.objects)}</td>
					<td class="bars"><i style={{ width: `${100 * f.bytes / most}%` }} /></td></tr>))}<Rest of={rows.length} columns={8} /></tbody></table>
	</>;
}
