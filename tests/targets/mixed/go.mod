module mixed

go 1.17
