module named

go 1.17
