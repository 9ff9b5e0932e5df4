// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The end of a table that has more rows than a page draws well, and says so.
import { exact } from './format';

export const ROWS_MOST = 500;

export function Rest({ of, columns }: { of: number; columns: number }) {
	return of > ROWS_MOST ? <tr class="rest"><td colSpan={columns} class="muted">The first {exact(ROWS_MOST)} of {exact(of)} in this order.</td></tr> : null;
}
