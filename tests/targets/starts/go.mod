module starts

go 1.18
