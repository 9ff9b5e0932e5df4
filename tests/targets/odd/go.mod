module odd

go 1.23
