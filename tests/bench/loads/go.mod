module loads

go 1.18
