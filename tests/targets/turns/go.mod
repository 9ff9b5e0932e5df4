module turns

go 1.17
