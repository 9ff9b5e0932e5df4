module remapped

go 1.17
