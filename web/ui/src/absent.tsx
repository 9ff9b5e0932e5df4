// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What an address named is not here: said where it would be, and nothing else is shown for it.
import { app, type Absent as Of } from './app';

export function Absent({ of }: { of: Of }) {
	const session = of.source === 'live' ? 'what is live' : `session ${of.source.slice(0, 60)}`;
	const leave = (source: string) => void app.open(source);
	return <div class="absent" role="alert">
		<h2>{of.proc === null ? `Not here: ${session}` : `Not here: process ${of.proc} of ${session}`}</h2>
		<p>Why: {of.why}. What the address selects (time, goroutine, marks) is not applied to anything else.</p>
		<p><button onClick={() => location.reload()}>Ask again</button>
			{of.proc !== null ? <button onClick={() => leave(of.source)}>Another process of it</button> : null}
			{app.info.get()?.sessions ? <button onClick={() => app.view.set('sessions')}>Sessions that are here</button> : null}
			{of.source !== 'live' ? <button onClick={() => leave('live')}>What is live</button> : null}</p>
	</div>;
}
