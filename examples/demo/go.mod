module demo

go 1.17
