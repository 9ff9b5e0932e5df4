module execs

go 1.17
