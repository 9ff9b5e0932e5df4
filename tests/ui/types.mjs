// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The compiler has nothing to say about the UI, as strict as tsconfig.json is: node types.mjs UI BUILD
// (its folders in the source and in the build, where its modules and contract.ts are)
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const [ui, build] = process.argv.slice(2).map((path) => resolve(path));
const folder = mkdtempSync(join(tmpdir(), 'xgotopfs-types-'));
let status = 1;
try {
	writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(ui, 'tsconfig.json'), include: [join(ui, 'src')],
		compilerOptions: { noEmit: true, paths: { contract: [join(build, 'contract.ts')], '*': [join(build, 'node_modules/*')] } } }));
	({ status } = spawnSync(process.execPath, [join(build, 'node_modules/typescript/bin/tsc'), '-p', folder], { stdio: 'inherit' }));
} finally {
	rmSync(folder, { recursive: true });
}
process.exit(status ?? 1);
