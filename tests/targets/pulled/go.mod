module pulled

go 1.23
