module trouble

go 1.20
