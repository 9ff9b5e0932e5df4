module hostile

go 1.17
