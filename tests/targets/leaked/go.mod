module leaked

go 1.18
