module facts

go 1.18
