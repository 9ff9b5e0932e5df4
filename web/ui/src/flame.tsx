// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where goroutines are, as a flame graph with its root on top: by the stacks of those that do not
// run or, without stacks, by start function, go statement and state. Not a profile of CPU time.
import { useEffect, useRef, useState } from 'preact/hooks';
import { app, type FlameChoice } from './app';
import { at, getJson } from './api';
import { duration, exact, shortFunc } from './format';
import { goTo } from './panel';
import { usePolled } from './poll';
import { useValue } from './store';
import { stateNumber } from './types';
import { textOn } from './colors';
import { kindOf } from './waitkind';

export interface FlameNode {
	name: string;
	kind: 'function' | 'site' | 'state';
	at?: string;
	goroutines: number;
	ns: number;
	sample: number;
	children?: FlameNode[];
}

interface Answer {
	by: FlameChoice['by'];
	now_ns: number;
	goroutines: number;
	without_stack: number;
	truncated: boolean;
	root: FlameNode;
}

interface Box {
	node: FlameNode;
	path: string[]; // names from below the root down to it
	depth: number;
	left: number; // share of the width
	width: number;
}

const EVERY_MS = 5000;
const BOXES_MAX = 3000;

const weigh = (n: FlameNode, by: FlameChoice['weight']) => (by === 'ns' ? n.ns : n.goroutines);
const say = (v: number, by: FlameChoice['weight']) => (by === 'ns' ? duration(v) : exact(v));

export function find(root: FlameNode, path: string[]): FlameNode[] {
	const chain = [root];
	for (const name of path) {
		const next = chain[chain.length - 1].children?.find((c) => c.name === name);
		if (!next) break;
		chain.push(next);
	}
	return chain;
}

// The boxes of what the graph is zoomed to: those above it over the whole width, those under it by
// their share. What would be thinner than a pixel is left out.
function layout(root: FlameNode, path: string[], weight: FlameChoice['weight'], width: number): Box[] {
	const chain = find(root, path);
	const boxes: Box[] = chain.map((node, depth) => ({ node, path: path.slice(0, depth), depth, left: 0, width: 1 }));
	const place = (node: FlameNode, from: string[], depth: number, left: number, share: number) => {
		const total = weigh(node, weight);
		if (!total) return;
		const children = [...node.children ?? []].sort((a, b) => weigh(b, weight) - weigh(a, weight) || (a.name < b.name ? -1 : 1));
		for (const child of children) {
			const part = share * weigh(child, weight) / total;
			if (part * width < 1 || boxes.length >= BOXES_MAX) return;
			const to = [...from, child.name];
			boxes.push({ node: child, path: to, depth, left, width: part });
			place(child, to, depth + 1, left, part);
			left += part;
		}
	};
	place(chain[chain.length - 1], path.slice(0, chain.length - 1), chain.length, 0, 1);
	return boxes;
}

// What a search matches, counted once where one match stands on another.
function matching(node: FlameNode, test: (n: FlameNode) => boolean, weight: FlameChoice['weight']): number {
	if (test(node)) return weigh(node, weight);
	return (node.children ?? []).reduce((sum, c) => sum + matching(c, test, weight), 0);
}

// The ways to all that match, but those below one that does.
function matchPaths(node: FlameNode, test: (n: FlameNode) => boolean, path: string[] = []): string[][] {
	if (path.length && test(node)) return [path];
	return (node.children ?? []).flatMap((c) => matchPaths(c, test, [...path, c.name]));
}

export function Flame() {
	const choice = useValue(app.flame);
	const status = useValue(app.status);
	const info = useValue(app.info);
	const filter = useValue(app.browse).filter;
	useValue(app.theme);
	const stacks = app.isLive && !!info?.stacks;
	const by = stacks ? choice.by : 'origin';
	const { value, problem, refresh } = usePolled(() => getJson<Answer>(at(app.source.get(), `flame?by=${by}&filter=${encodeURIComponent(filter)}`)), EVERY_MS, [by, filter]);
	const answer = value?.by === by ? value : null;
	const needle = choice.search.trim().toLowerCase();
	const test = (n: FlameNode) => !!needle && (n.name.toLowerCase().includes(needle) || !!n.at?.toLowerCase().includes(needle));
	const root = answer?.root;
	const total = root ? weigh(root, choice.weight) : 0;
	const hit = root && needle ? matching(root, test, choice.weight) : 0;
	// What it is zoomed to may have none of them.
	const zoomed = root && choice.path.length ? find(root, choice.path) : null, inside = zoomed && needle ? matching(zoomed[zoomed.length - 1], test, choice.weight) : hit;
	const next = () => {
		const all = root && needle ? matchPaths(root, test) : [];
		if (!all.length) return;
		const at = all.findIndex((p) => same(p, choice.path));
		app.flame.update({ path: all[(at + 1) % all.length] });
	};
	const link = at(app.source.get(), `flame?by=${by}&format=folded&weight=${choice.weight}&filter=${encodeURIComponent(filter)}`);
	const segments = <K extends 'by' | 'weight'>(key: K, label: string, options: [FlameChoice[K], string, string][]) => (
		<div class="segments" role="group" aria-label={label}>{options.map(([value, text, title]) => (
			<button title={title} aria-pressed={(key === 'by' ? by : choice.weight) === value} onClick={() => app.flame.update({ [key]: value, path: [] } as Partial<FlameChoice>)}>{text}</button>))}</div>);
	return (
		<div class="page flame">
			<div class="bar">
				{stacks ? segments('by', 'What', [['stack', 'Stacks', 'The stacks of all goroutines that do not run, as they are now'],
					['origin', 'Origins', 'Start function, go statement and state, of all goroutines that are kept']]) : null}
				{segments('weight', 'Width', [['goroutines', 'Goroutines', 'How many'],
					['ns', 'Time', by === 'stack' ? 'How long they have been in their present state' : 'Their time in each state']])}
				<div class="filter"><input type="search" placeholder="Search the graph" aria-label="Search the graph" title="Search (/)" value={choice.search} spellcheck={false}
					onInput={(e) => app.flame.update({ search: e.currentTarget.value })}
					onKeyDown={(e) => { if (e.key === 'Enter') next(); if (e.key === 'Escape') { app.flame.update({ search: '' }); e.currentTarget.blur(); e.stopPropagation(); } }} /></div>
				{needle && root ? <span class="found"><b>{say(hit, choice.weight)}</b> <span class="muted">of {say(total, choice.weight)} match{total ? `, ${(100 * hit / total).toFixed(1)}%` : ''}</span>{hit > inside ? <> <b class="warn">{say(hit - inside, choice.weight)} outside of what is shown</b></> : null}
					{hit ? <> <button onClick={next} title="Zoom to the next match (Enter)">Next</button></> : null}</span> : null}
				<button disabled={!choice.path.length} onClick={() => app.flame.update({ path: [] })}>All</button>
				{app.isLive ? <button onClick={refresh}>Refresh</button> : null}
				<a class="icon-link" href={link} download="flame.txt" title="One line a stack, for flamegraph.pl and speedscope">Folded ↓</a>
				{filter ? <button class="chip" title="The timeline's filter holds here, too" onClick={() => app.browse.update({ filter: '' })}>{filter} ✕</button> : null}
			</div>
			<Explain by={by} answer={answer} weight={choice.weight} live={app.isLive} />
			{problem ? <div class="note bad">{problem}</div> : null}
			{root && total ? <Graph root={root} choice={choice} test={needle ? test : null} /> :
				<div class="empty">{status?.state === 'loading' ? 'Reading the session…' : answer ? choice.weight === 'ns' && root?.goroutines ? 'No time is known yet.' : 'No goroutine is there.' : problem ? '' : '…'}</div>}
		</div>
	);
}

function Explain({ by, answer, weight, live }: { by: FlameChoice['by']; answer: Answer | null; weight: FlameChoice['weight']; live: boolean }) {
	if (!answer) return null;
	const { goroutines, without_stack: without, truncated } = answer;
	return <div class="note muted">
		{by === 'stack' ? <><b>{exact(goroutines)} goroutines by where they are parked</b>, or wait for a CPU or a syscall, read at {new Date(app.wallTime(answer.now_ns - app.origin)).toTimeString().slice(0, 8)}
			{weight === 'ns' ? '; width: how long they have been in that state' : ''}.
			{without ? ` ${exact(without)} more were running: their stacks cannot be read.` : ''} Not a CPU profile.</> :
			<><b>{exact(goroutines)} goroutines by start function, go statement and {weight === 'ns' ? 'time in each state' : 'state'}</b>
				{live ? ', those that have exited and are kept included.' : '. A recorded session has no stacks; this is not made of any.'}</>}
		{truncated ? <b class="warn"> Too many different stacks: some are cut short.</b> : null}</div>;
}

function colorOf(node: FlameNode, depth: number): string {
	const look = app.look.get();
	if (node.kind === 'state') {
		const i = stateNumber(node.name);
		return i >= 0 ? look.state[i] : look.wait[kindOf(node.name)]; // what is no state is why it waits
	}
	return `color-mix(in srgb, var(--text) ${depth === 0 ? 16 : 7 + (depth % 2) * 4}%, var(--bg))`;
}

const same = (a: string[], b: string[]) => a.length === b.length && a.every((x, i) => x === b[i]);

function Graph({ root, choice, test }: { root: FlameNode; choice: FlameChoice; test: ((n: FlameNode) => boolean) | null }) {
	const box = useRef<HTMLDivElement>(null);
	const [width, setWidth] = useState(800);
	const [focus, setFocus] = useState<string[]>([]); // the box the keys are at
	const [hover, setHover] = useState<FlameNode | null>(null);
	const pointer = useRef('');
	// A browser also says "moved" when boxes move under a pointer that rests; that must not undo what a key chose.
	const point = (e: MouseEvent, node: FlameNode) => {
		const at = `${e.clientX},${e.clientY}`;
		if (at !== pointer.current) setHover(node);
		pointer.current = at;
	};
	useEffect(() => {
		const observer = new ResizeObserver(() => setWidth(box.current?.clientWidth || 800));
		observer.observe(box.current!);
		return () => observer.disconnect();
	}, []);
	const { weight, path } = choice;
	const boxes = layout(root, path, weight, width);
	const at = boxes.find((b) => same(b.path, focus)) ?? boxes[Math.min(path.length, boxes.length - 1)];
	const depth = Math.max(...boxes.map((b) => b.depth)) + 1;
	const total = weigh(root, weight);

	const go = (to: Box | undefined) => {
		if (!to) return;
		setFocus(to.path);
		setHover(null);
		const index = boxes.indexOf(to);
		(box.current?.children[index] as HTMLElement | undefined)?.focus();
	};
	const zoom = (to: string[]) => {
		app.flame.update({ path: to });
		setFocus(to);
	};
	const onKey = (e: KeyboardEvent) => {
		if (e.ctrlKey || e.metaKey || e.altKey) return;
		const level = boxes.filter((b) => b.depth === at.depth);
		const beside = (step: number) => level[level.indexOf(at) + step];
		if (e.key === 'ArrowDown') go(boxes.find((b) => b.depth === at.depth + 1 && same(b.path.slice(0, -1), at.path)));
		else if (e.key === 'ArrowUp') go(boxes.find((b) => same(b.path, at.path.slice(0, -1))));
		else if (e.key === 'ArrowLeft') go(beside(-1));
		else if (e.key === 'ArrowRight') go(beside(1));
		else if (e.key === 'Enter' || e.key === ' ') zoom(at.path);
		else if ((e.key === 'Escape' || e.key === 'Backspace') && path.length) zoom(path.slice(0, -1));
		else return;
		e.preventDefault();
		e.stopPropagation();
	};
	const shown = hover ?? at.node;
	return <>
		<Details node={shown} weight={weight} total={total} />
		<div class="flame-scroll"><div class="flame-graph" ref={box} role="tree" aria-label="Flame graph. Arrows choose a box, Enter zooms in, Escape zooms out." style={{ height: `${depth * 19}px` }} onKeyDown={onKey}
			onMouseLeave={() => setHover(null)}>
			{boxes.map((b) => {
				const color = colorOf(b.node, b.depth), hit = test?.(b.node);
				const style: Record<string, string> = { left: `${b.left * 100}%`, width: `calc(${b.width * 100}% - 1px)`, top: `${b.depth * 19}px`, background: color };
				if (color.startsWith('#')) style.color = textOn(color);
				// By its path: the box that has the focus must outlast a zoom, which leaves others out.
				return <div key={`${b.node.kind} ${b.path.join(';')}`} role="treeitem" tabIndex={b === at ? 0 : -1} aria-selected={b === at}
					aria-label={`${b.node.name}, ${say(weigh(b.node, weight), weight)}`} style={style}
					class={`flame-box ${test ? hit ? 'hit' : 'miss' : ''}`} onClick={() => zoom(b.path)} onFocus={() => setFocus(b.path)} onMouseMove={(e) => point(e, b.node)}>
					{b.width * width > 24 ? <span>{b.node.kind === 'function' ? shortFunc(b.node.name) : b.node.name}</span> : null}</div>;
			})}</div></div>
	</>;
}

function Details({ node, weight, total }: { node: FlameNode; weight: FlameChoice['weight']; total: number }) {
	const share = total ? 100 * weigh(node, weight) / total : 0;
	return <div class="flame-details"><b class="mono">{node.name}</b> {node.at ? <span class="mono small muted">{node.at}</span> : null}
		<span> {exact(node.goroutines)} goroutine{node.goroutines === 1 ? '' : 's'}, {duration(node.ns)} in all, {share.toFixed(share < 10 ? 1 : 0)}%</span>
		{node.sample ? <button class="link" onClick={() => goTo(node.sample)}>one of them: {node.sample}</button> : null}</div>;
}
