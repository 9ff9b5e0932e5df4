module redeploy

go 1.17
