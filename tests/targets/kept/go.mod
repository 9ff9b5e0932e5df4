module kept

go 1.17
