module workload

go 1.17
