#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Seeds for fuzz_target: ELF files of some kilobytes with what a Go linker leaves behind: build info,
function table, module data, types, wait reasons, and the few functions of the runtime that are looked at.
They do not run. Usage: make_elf.py FOLDER"""

import os
import struct
import sys

BASE = 0x400000
MAGIC = {17: 0xFFFFFFFA, 18: 0xFFFFFFF0, 20: 0xFFFFFFF1}
G_STATUS = {17: 144, 18: 144, 22: 144, 24: 152, 26: 144}
MD = {17: (280, 288, 0, 0), 18: (280, 288, 304, 312), 22: (296, 304, 320, 328), 24: (296, 304, 320, 328),
      26: (296, 304, 320, 336)}
SPECIAL = ["runtime.morestack_noctxt", "runtime.main", "main.main", "main.worker", "main.worker.func1"]


def u32(*v):
    return struct.pack("<%dI" % len(v), *(x & 0xFFFFFFFF for x in v))


def u64(*v):
    return struct.pack("<%dQ" % len(v), *(x & (2**64 - 1) for x in v))


def align(data, n):
    return data + bytes(-len(data) % n)


def amd64(status, goid, at, morestack):
    """A function with a prologue, the compare-and-swap of a state, a store of a goid, a call."""
    body = bytes.fromhex("55 4889e5 4883ec18")  # push rbp; mov rbp,rsp; sub rsp,0x18
    body += bytes.fromhex("f00fb188") + u32(status)  # lock cmpxchg [rax+status], ecx
    body += bytes.fromhex("488988") + u32(goid) + b"\x90"  # mov [rax+goid], rcx; nop
    body += bytes.fromhex("4883c418 5d c3")
    code = bytes.fromhex("493b6610 76") + bytes([len(body)]) + body
    code += b"\xe8" + u32(morestack - (at + len(code) + 5))
    code += b"\xeb" + bytes([(-len(code) - 2) & 0xFF])
    return align(code + b"\xcc", 16)


def arm64(status, goid, at, morestack):
    words = [0xF9400B90, 0xEB3063FF, 0, 0xF81D0FFE, 0xF81F83FD, 0xD10023FD]
    words += [0x91000000 | status << 10 | 3, 0xF9000000 | goid // 8 << 10 | 2, 0xD503201F, 0xF84307FE, 0xD65F03C0]
    words[2] = 0x54000009 | (len(words) - 2) << 5  # b.ls to morestack
    words.append(0xAA1E03E3)
    words.append(0x94000000 | (morestack - (at + 4 * len(words))) // 4 & 0x3FFFFFF)
    words.append(0x14000000 | -len(words) & 0x3FFFFFF)
    return align(u32(*words), 16)


def names_of(minor):
    runtime = ["casgstatus", "newproc1", "goexit0", "newobject", "makeslice", "makeslice64", "makeslicecopy", "makemap",
               "makemap64", "makemap_small", "mallocgc"]
    if minor >= 22:
        runtime.append("gdestroy")
    if minor >= 26:
        runtime += ["reentersyscall", "entersyscallblock", "exitsyscall", "mallocgcSmallNoScanSC4"]
    return SPECIAL + ["runtime." + name for name in runtime]


class File:
    def __init__(self):
        self.data = bytearray(0x200)  # headers
        self.relocations = []

    def add(self, data, to=16):
        self.data += bytes(-len(self.data) % to)
        at = len(self.data)
        self.data += data
        return at


def pclntab(minor, arch, text, entries, at):
    """The function table; `at` is where it will be loaded."""
    old = minor == 17
    names, offsets = b"", []
    for name, _ in entries:
        offsets.append(len(names))
        names += name.encode() + b"\0"
    names = align(names, 8)
    files = b"/usr/lib/go/src/runtime/proc.go\0/srv/main.go\0"
    cus = u32(0, files.index(b"/srv"))
    pcs = b"\0" + bytes([2, 8, 4, 24, 0]) + bytes([4, 40, 0]) + bytes([2, 40, 0])  # a value for some pcs each
    quantum = 4 if arch == "arm64" else 1
    head_size = 64 if old else 72
    parts, at_part = [], head_size
    for part in (names, align(cus, 8), align(files, 8), align(pcs, 8)):
        parts.append(at_part)
        at_part += len(part)
    funcs_at = at_part
    functab_size = (len(entries) - 1) * (16 if old else 8) + (8 if old else 4)
    table, funcs = b"", b""
    functab_size += -functab_size % 8
    for i, (name, entry) in enumerate(entries[:-1]):
        off = functab_size + len(funcs)
        table += u64(entry, off) if old else u32(entry - text, off)
        func = (u64(entry) if old else u32(entry - text)) + u32(offsets[i], 8, 0, 1, 6, 9, 3, 0)
        if minor >= 20:
            func += u32(10 + i)
        func += bytes([0, 0, 0, 4]) + u32(1, 0, 6)  # three tables by pc, the last of the inlined calls
        if old:
            func += bytes(-(at + funcs_at + off + len(func)) % 8) + u64(0, 0, 0, at)
        else:
            func += u32(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        funcs += align(func, 8)
    table += u64(entries[-1][1]) if old else u32(entries[-1][1] - text)
    table = table.ljust(functab_size, b"\0")
    magic = MAGIC[17 if old else 18 if minor < 20 else 20]
    head = u32(magic) + bytes([0, 0, quantum, 8]) + u64(len(entries) - 1, 2)
    if not old:
        head += u64(text)
    head += u64(*parts, funcs_at)
    return (head + names + align(cus, 8) + align(files, 8) + align(pcs, 8) + table + funcs), parts, funcs_at


def types_of(at):
    """Two types: main.Request, and a map of it. Names are offsets from the start."""
    names = b"\0" + b"\0\x0dmain.Request\0" + b"\0\x10*map[int]main.R\0"
    names = align(names, 8)
    first = len(names)

    def rtype(size, kind, flag, name):
        return u64(size, 8) + u32(1) + bytes([flag, 8, 8, kind]) + u64(0, 0) + u32(name, 0)

    data = names + rtype(96, 25, 0, 1) + u64(0, 0) + rtype(8, 21, 2, 16) + u64(at + first, at + first)
    return align(data, 8)


def make(minor, arch, pie):
    f = File()
    status, goid = G_STATUS[minor], G_STATUS[minor] + 8
    code = amd64 if arch == "amd64" else arm64
    vaddr = lambda off: BASE + off
    start = f.add(b"")
    text = vaddr(start)
    entries = []
    for name in names_of(minor):
        at = vaddr(len(f.data) + (-len(f.data) % 16))
        entries.append((name, at))
        f.add(code(status, goid, at, text))
    f.add(b"\xcc" * 16)
    etext = vaddr(len(f.data))
    entries.append(("", etext))
    buildinfo = f.add(b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16) + b"\x06go1.%d" % minor
                      + b"\x10build\t-race=true" + bytes(16))
    texts = f.add(b"GC assist marking" + b"IO wait")
    types = f.add(types_of(vaddr(len(f.data) + (-len(f.data) % 16))))
    etypes = len(f.data)
    tab_at = vaddr(len(f.data) + (-len(f.data) % 32))
    tab, parts, funcs_at = pclntab(minor, arch, text, entries, tab_at)
    table = f.add(tab, 32)
    data_start = f.add(b"", 32)
    reasons = f.add(u64(0, 0, vaddr(texts), 17, vaddr(texts) + 17, 7))
    md = bytearray(400)

    def put(off, *values):
        md[off : off + 8 * len(values)] = u64(*values)

    put(0, tab_at, tab_at + parts[0], len(tab) - parts[0], len(tab) - parts[0])
    put(128, tab_at + funcs_at, len(entries), len(entries))
    put(160, entries[0][1], etext, text, etext)
    t, et, gofunc, _ = MD[minor]
    put(t, vaddr(types))
    put(et, vaddr(etypes))
    if gofunc:
        put(gofunc, tab_at)
    module = f.add(md, 32)
    data_end = len(f.data)
    strings = b"\0.text\0.go.buildinfo\0.gopclntab\0.data\0.go.module\0.symtab\0.strtab\0.shstrtab\0"
    symbols = b"\0runtime.casgstatus\0runtime.waitReasonStrings\0runtime.allglen\0runtime.allgptr\0"
    symtab = bytes(24)
    for name, value, size in ((b"runtime.casgstatus", entries[5][1], 64), (b"runtime.waitReasonStrings", vaddr(reasons), 48),
                              (b"runtime.allglen", vaddr(module), 8), (b"runtime.allgptr", vaddr(module) + 8, 8)):
        symtab += u32(symbols.index(b"\0" + name) + 1) + bytes([0x11, 0]) + struct.pack("<H", 1) + u64(value, size)
    at_symtab, at_symbols, at_strings = f.add(symtab, 8), f.add(symbols), f.add(strings)

    def section(name, kind, flags, at, size, link=0, entry=0):
        return (u32(strings.index(b"\0" + name) + 1, kind) + u64(flags, vaddr(at) if flags else 0, at, size)
                + u32(link, 0) + u64(8, entry))

    sections = [bytes(64), section(b".text", 1, 6, start, etext - text),
                section(b".go.buildinfo", 1, 3, buildinfo, texts - buildinfo),
                section(b".gopclntab", 1, 2, table, len(tab)),
                section(b".data", 1, 3, data_start, module - data_start),
                section(b".go.module", 1, 3, module, data_end - module),
                section(b".symtab", 2, 0, at_symtab, len(symtab), 7, 24),
                section(b".strtab", 3, 0, at_symbols, len(symbols)),
                section(b".shstrtab", 3, 0, at_strings, len(strings))]
    shoff = f.add(b"".join(sections), 8)

    def segment(kind, flags, at, size):
        return u32(kind, flags) + u64(at, vaddr(at), vaddr(at), size, size, 0x1000)

    segments = [segment(1, 5, 0, etext - BASE), segment(1, 4, etext - BASE, data_start - (etext - BASE)),
                segment(1, 6, data_start, data_end - data_start)]
    machine = 62 if arch == "amd64" else 183
    f.data[0:64] = (b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHI", 3 if pie else 2, machine, 1)
                    + u64(entries[1][1], 64, shoff) + u32(0)
                    + struct.pack("<6H", 64, 56, len(segments), 64, len(sections), 8))
    f.data[64 : 64 + 56 * len(segments)] = b"".join(segments)
    return bytes(f.data)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for arch in "amd64", "arm64":
        for minor in MD:
            for pie in (False, True) if minor == 24 else (False,):
                name = "go1.%d-%s%s" % (minor, arch, "-pie" if pie else "")
                with open(os.path.join(folder, name), "wb") as out:
                    out.write(make(minor, arch, pie))


main()
