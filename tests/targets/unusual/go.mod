module unusual

go 1.17
