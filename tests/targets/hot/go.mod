module xgotopfs.test/hot

go 1.17
