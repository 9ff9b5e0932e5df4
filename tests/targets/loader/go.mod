module loader

go 1.17
