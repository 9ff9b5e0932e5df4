// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The frame of a dialog: closed by its button, by Escape and by a click beside it.
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { app } from './app';

export function Dialog({ title, children }: { title: string; children: ComponentChildren }) {
	const box = useRef<HTMLDialogElement>(null);
	useLayoutEffect(() => box.current!.showModal(), []); // at once, as it closes: the next key is for it
	return (
		<dialog ref={box} onClose={() => app.dialog.set('')} onCancel={() => app.dialog.set('')} onClick={(e) => { if (e.target === box.current) app.dialog.set(''); }} aria-label={title}>
			<div class="dialog-head"><h2>{title}</h2><button class="icon" aria-label="Close" onClick={() => app.dialog.set('')}>✕</button></div>
			<div class="dialog-body">{children}</div>
		</dialog>
	);
}
