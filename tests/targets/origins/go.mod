module origins

go 1.17
