// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A module of the UI without a browser, for a test that is called with UI BUILD: its folders in the
// source and in the build.
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

// Where the page would be: behind a proxy that has the server below a path of its own.
globalThis.document = { baseURI: 'http://ui.test/tools/xgotopfs/' };

const [ui, build] = process.argv.slice(2).map((path) => resolve(path));

// All that the module exports; `also` is code that exports more.
export async function load(name, also = '') {
	const { buildSync } = createRequire(join(build, 'package.json'))('esbuild');
	const { outputFiles: [{ text }] } = buildSync({ bundle: true, write: false, format: 'esm', alias: { contract: join(build, 'contract.ts') },
		stdin: { contents: `export * from '${name}'; ${also}`, resolveDir: join(ui, 'src') } });
	return import(`data:text/javascript,${encodeURIComponent(text)}`);
}
