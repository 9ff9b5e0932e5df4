module flood

go 1.17
