module incidents

go 1.17
