// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which of the traced processes is looked at. With one there is nothing to choose.
import { app } from './app';
import { useValue } from './store';
import { processOf, type Process } from './types';

const nameOf = (p: Process) => p.binary_path.split('/').pop() ?? '';
const ended = (p: Process, source: string) => (p.executed !== undefined ? ' · executed' : p.state === 'exited' && source === 'live' ? ' · exited' : '');

export function ProcessName() {
	const status = useValue(app.status);
	const source = useValue(app.source);
	const index = useValue(app.proc);
	const list = status?.processes ?? [];
	const proc = processOf(status, index);
	if (!proc) return null;
	if (list.length < 2)
		return <span class="one"><b>{nameOf(proc)}</b> <span class="muted">pid {proc.pid}{ended(proc, source)}<span class="version"> {proc.go_version}</span></span></span>;
	return <>
		<select class="process" aria-label="Process" value={String(index)} title={`${nameOf(proc)}, pid ${proc.pid}: this one of ${list.length} processes that are traced is shown`}
			onChange={(e) => app.choose(Number(e.currentTarget.value))}>
			{list.map((p) => <option value={String(p.index)}>{p.pid} · {nameOf(p)}{ended(p, source)}</option>)}
		</select>
		<span class="muted version"> {proc.go_version}</span>
	</>;
}
