module brief

go 1.17
