module held

go 1.25
