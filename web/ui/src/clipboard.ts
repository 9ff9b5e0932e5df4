// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The clipboard API is there on secure origins only; 127.0.0.1 is one, another address is not.
export async function copyText(text: string): Promise<void> {
	if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
	const area = document.createElement('textarea');
	area.value = text;
	document.body.append(area);
	area.select();
	document.execCommand('copy');
	area.remove();
}
