module ops

go 1.17
