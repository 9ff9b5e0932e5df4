// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What of a source other tools read, as a menu of files.
import { useRef, useState } from 'preact/hooks';
import { app } from './app';
import { address, at, base, getUnpacked } from './api';

const HEAP = 'pprof/heap';
const FILES: [string, string, string, string][] = [ // what is asked for, the file's end, what it is, what reads it
	['perfetto', 'pftrace', 'Perfetto trace', 'ui.perfetto.dev'],
	['pprof/goroutine', 'goroutine.pb.gz', 'Goroutine profile', 'go tool pprof'],
	['pprof/cpu', 'cpu.pb.gz', 'CPU profile', 'go tool pprof'],
	['pprof/allocs', 'allocs.pb.gz', 'Allocation profile', 'go tool pprof'],
	[HEAP, 'heap.pb.gz', 'Heap profile', 'go tool pprof'],
	['pprof/offcpu', 'offcpu.pb.gz', 'Off-CPU profile', 'go tool pprof'],
	['events?format=jsonl', 'jsonl', 'Events', 'a JSON object a line'],
];

const WHOLE = ['perfetto', 'events?format=jsonl']; // of all processes

// Of a program that keeps no profile of its heap, why; '' of one that does.
const whyNoHeap = (source: string, proc?: number) => getUnpacked(at(source, HEAP, proc)).then(
	(text) => /the program keeps no heap profile[\x20-\x7e]*?(?=;)/.exec(text)?.[0] ?? '', (e) => (e as Error).message);

export function Downloads({ source, proc, label }: { source: string; proc?: number; label: string }) {
	const box = useRef<HTMLDetailsElement>(null);
	const close = () => { box.current!.open = false; };
	const [noHeap, setNoHeap] = useState('');
	// It is read from the program's memory, which a recording has not.
	const files = FILES.filter(([path]) => path !== HEAP || source === 'live' && app.info.get()?.heap_profile);
	const opened = async () => { if (box.current!.open && files.some(([path]) => path === HEAP)) setNoHeap(await whyNoHeap(source, proc)); };
	const name = source === 'live' ? 'live' : source.slice(0, 8);
	return (
		<details class="menu" ref={box} onToggle={() => void opened()} onFocusOut={(e) => { if (!box.current!.contains(e.relatedTarget as Node | null)) close(); }}
			onKeyDown={(e) => {
				if (e.key !== 'Escape') return;
				close();
				box.current!.querySelector('summary')!.focus();
				e.stopPropagation();
			}}>
			<summary title={source === 'live' ? 'Download what is kept in memory' : 'Download the session'}>{label}</summary>
			<div class="menu-items">{files.map(([path, end, what, reader]) => (path === HEAP && noHeap ?
				<span class="none muted">{what}: {noHeap}</span> :
				<a href={address(WHOLE.includes(path) ? `${base(source)}/${path}` : at(source, path, proc))} download={`xgotopfs-${name}.${end}`} onClick={close}>
					{what} <span class="muted">{reader}</span></a>))}</div>
		</details>
	);
}
