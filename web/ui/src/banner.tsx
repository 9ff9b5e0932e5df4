// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is on screen is not the present any more: said over the whole width, in every view.
import { app } from './app';
import { clock } from './format';
import { useValue } from './store';
import { endedAs, processOf } from './types';

export function Banner() {
	const lostAt = useValue(app.lostAt);
	const refused = useValue(app.refused);
	const status = useValue(app.status);
	const proc = processOf(status, useValue(app.proc));
	if (lostAt)
		return <div class="banner bad" role="alert"><b>No connection to the server since {clock(lostAt)}.</b> {refused ?
			'It has been started anew, and wants the address that it printed.' : 'What is shown is of then. Connecting again…'}</div>;
	if (!status || !app.over) return null;
	// Of a replay that is at its end the program may have gone on: whoever recorded it stopped.
	return <div class="banner" role="status"><b>{proc?.executed !== undefined ? 'The process executed another program' :
		proc && proc.state !== 'exited' ? 'The recording has ended' : `The program has ended${endedAs(proc)}`}
		{proc ? ` (pid ${proc.pid})` : ''}.</b> This is how it was at {clock(app.wallTime(app.end()))}.</div>;
}
