module figures

go 1.17
