// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Who waits for what, and who likely holds that, as a small graph: goroutines on one side, what they wait on
// on the other; a whole line goes to what is waited on, a broken one from there to who likely holds it.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { exact, goidText } from './format';

export interface GraphMember {
	goid: number;
	culprit: boolean;
	function: string;
	wait_reason: string;
	waits_on?: string;
	object?: string;
	likely_holder?: number;
	evidence?: string;
}

interface Thing { id: string; label: string; title: string }
interface Edge { key: string; from: number; to: number; holds: boolean; why: string; ends: string[] }

const ROW = 46, NODE = 34, MEMBERS = 12;

// Waiters that are alike (no culprits, the same function, object and holder) are drawn once.
function fold(members: GraphMember[]): { member: GraphMember; alike: number }[] {
	const seen = new Map<string, { member: GraphMember; alike: number }>();
	const held = new Set(members.map((m) => m.likely_holder));
	for (const member of members) {
		const key = member.culprit || held.has(member.goid) ? `${member.goid}` : `${member.function}/${member.object}/${member.likely_holder}`;
		const row = seen.get(key);
		if (row) row.alike++;
		else seen.set(key, { member, alike: 1 });
	}
	return [...seen.values()];
}

function thingOf(m: GraphMember): Thing {
	// "Mutex 0xc000012345 locked waiters=1": what it is, then where, then how it is.
	const [, kind = '', state = ''] = /^(\S+) 0x[0-9a-f]+ ?(.*)$/.exec(m.waits_on ?? '') ?? [];
	const label = kind ? `${kind} ${state}` : m.waits_on ?? m.wait_reason;
	return { id: m.object ?? `${m.goid}: ${label}`, label, title: m.waits_on ?? m.wait_reason };
}

export function WaitGraph({ members, more, select }: { members: GraphMember[]; more?: number; select: (goid: number) => void }) {
	const box = useRef<HTMLDivElement>(null);
	const [width, setWidth] = useState(0);
	const [said, setSaid] = useState<{ why: string; ends: string[] } | null>(null);
	useLayoutEffect(() => {
		const at = box.current!;
		const measure = () => setWidth(at.clientWidth);
		const observer = new ResizeObserver(measure);
		observer.observe(at);
		measure();
		return () => observer.disconnect();
	}, []);

	const folded = fold(members), shown = folded.slice(0, MEMBERS);
	const left = folded.slice(MEMBERS).reduce((sum, f) => sum + f.alike, more ?? 0);
	// Who holds something, and is not in the group itself, is drawn below them.
	const outside = [...new Set(shown.map((f) => f.member.likely_holder))].filter((g): g is number => g !== undefined && !members.some((m) => m.goid === g));
	const rowOf = new Map<number, number>();
	shown.forEach((f, i) => rowOf.set(f.member.goid, i));
	outside.forEach((g, i) => rowOf.set(g, shown.length + i));
	const things: Thing[] = [], edges: Edge[] = [];
	shown.forEach(({ member: m }, i) => {
		const thing = thingOf(m);
		let at = things.findIndex((t) => t.id === thing.id);
		if (at < 0) at = things.push(thing) - 1;
		const name = `goroutine:${m.goid}`, object = `thing:${thing.id}`;
		edges.push({ key: `w${m.goid}`, from: i, to: at, holds: false, why: `goroutine ${m.goid} waits on ${thing.title}`, ends: [name, object] });
		const holder = m.likely_holder === undefined ? undefined : rowOf.get(m.likely_holder);
		if (holder !== undefined && !edges.some((e) => e.holds && e.from === holder && e.to === at))
			edges.push({ key: `h${m.likely_holder}/${thing.id}`, from: holder, to: at, holds: true,
				why: `goroutine ${m.likely_holder} likely holds ${thing.title}: ${m.evidence}`, ends: [`goroutine:${m.likely_holder}`, object] });
	});
	const rows = shown.length + outside.length, gap = Math.max(44, Math.min(140, width * 0.18));
	const column = Math.min(300, (width - gap) / 2), right = column + gap;
	// What is waited on lies beside the middle of those who have to do with it, none over another.
	const wanted = things.map((_, k) => {
		const ends = edges.filter((e) => e.to === k).map((e) => e.from);
		return ends.reduce((sum, r) => sum + r, 0) / Math.max(1, ends.length);
	});
	const order = things.map((_, k) => k).sort((a, b) => wanted[a] - wanted[b] || a - b);
	const place: number[] = [];
	order.reduce((least, k) => (place[k] = Math.max(least, Math.min(wanted[k], Math.max(0, rows - 1)))) + 1, 0);
	const height = ROW * Math.max(rows, ...place.map((p) => p + 1), 1);
	const y = (row: number) => row * ROW + ROW / 2;
	const say = (why: string, ends: string[]) => ({ onMouseEnter: () => setSaid({ why, ends }), onFocus: () => setSaid({ why, ends }),
		onMouseLeave: () => setSaid(null), onBlur: () => setSaid(null) });
	const lit = (name: string) => (said?.ends.includes(name) ? ' lit' : '');
	const about = (name: string) => edges.filter((e) => e.ends.includes(name));
	const whyOf = (name: string) => about(name).map((e) => e.why).join('; ');
	const endsOf = (name: string) => about(name).flatMap((e) => e.ends);

	return (
		<figure class="wait-graph">
			<div class="wait-graph-box" ref={box} style={{ height }}>
				{width ? <svg width={width} height={height} aria-hidden="true">
					<defs><marker id="wait-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
						<path d="M0 0 L8 4 L0 8 z" /></marker></defs>
					{edges.map((e) => {
						// The two ways between the same two do not lie over each other.
						const shift = e.holds ? 6 : -4, x1 = column, x2 = right, y1 = y(e.from) + shift, y2 = y(place[e.to]) + shift, mid = gap / 2;
						const d = `M${x1} ${y1} C${x1 + mid} ${y1} ${x2 - mid} ${y2} ${x2} ${y2}`;
						return <g key={e.key} class={`${e.holds ? 'holds' : 'waits'}${said && e.ends.every((x) => said.ends.includes(x)) ? ' lit' : ''}`}
							{...say(e.why, e.ends)}>
							<path class="hit" d={d}><title>{e.why}</title></path>
							<path class="line" d={d} marker-end={e.holds ? undefined : 'url(#wait-arrow)'} marker-start={e.holds ? 'url(#wait-arrow)' : undefined} /></g>;
					})}
				</svg> : null}
				{width ? <>
					{shown.map(({ member: m, alike }, i) => (
						<button key={m.goid} class={`node${m.culprit ? ' culprit' : ''}${lit(`goroutine:${m.goid}`)}`}
							style={{ left: 0, top: y(i) - NODE / 2, width: column, height: NODE }} title={whyOf(`goroutine:${m.goid}`)}
							onClick={() => select(m.goid)} {...say(whyOf(`goroutine:${m.goid}`), endsOf(`goroutine:${m.goid}`))}>
							<b>{goidText(m.goid)}</b>{alike > 1 ? <span class="muted"> and {exact(alike - 1)} alike</span> : null} <span class="mono">{m.function}</span></button>))}
					{outside.map((goid, i) => (
						<button key={goid} class={`node outside${lit(`goroutine:${goid}`)}`}
							style={{ left: 0, top: y(shown.length + i) - NODE / 2, width: column, height: NODE }} title={whyOf(`goroutine:${goid}`)}
							onClick={() => select(goid)} {...say(whyOf(`goroutine:${goid}`), endsOf(`goroutine:${goid}`))}>
							<b>{goidText(goid)}</b> <span class="muted">likely holds it</span></button>))}
					{things.map((t, k) => (
						<div key={t.id} class={`node thing mono${lit(`thing:${t.id}`)}`} tabIndex={0} title={t.title}
							style={{ left: right, top: y(place[k]) - NODE / 2, width: column, height: NODE }}
							{...say(whyOf(`thing:${t.id}`), endsOf(`thing:${t.id}`))}>{t.label}</div>))}
				</> : null}
			</div>
			<figcaption class={said ? '' : 'muted'}>{said?.why ?? <><span class="key-waits">waits on</span> <span class="key-holds">likely held by</span>; point at a line for the evidence</>}
				{left ? <span class="muted"> ({exact(left)} more are not drawn)</span> : null}</figcaption>
		</figure>
	);
}
